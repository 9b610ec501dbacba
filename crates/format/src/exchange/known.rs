//! Parameters of WHP-Exchange and their units (WHP 90-1, table of parameters,
//! and the names that CCHDO has added since). A pair that is not here is listed,
//! not refused.

/// Columns that tell which sample a row is of, where and when: they have no
/// flags, but for the bottle's number.
pub(super) const PLACE: &[&str] = &[
    "EXPOCODE",
    "SECT_ID",
    "SECT",
    "STNNBR",
    "CASTNO",
    "SAMPNO",
    "DATE",
    "TIME",
    "LATITUDE",
    "LONGITUDE",
    "DEPTH",
    "BTL_DATE",
    "BTL_TIME",
    "BTL_LAT",
    "BTL_LON",
    "INSTRUMENT_ID",
];

/// Columns of errors, which have no flags, and what they are the errors of.
pub(super) const ERRORS: &[(&str, &str)] = &[
    ("C14ERR", "DELC14"),
    ("C13ERR", "DELC13"),
    ("TRITER", "TRITUM"),
    ("HELIER", "HELIUM"),
    ("DELHER", "DELHE3"),
    ("NEONER", "NEON"),
    ("ARGERR", "ARGON"),
    ("KRYPER", "KRYPT"),
    ("XENER", "XENON"),
    ("KR85ERR", "KR85"),
    ("AR39ERR", "AR39"),
    ("RA26ERR", "RA-226"),
    ("RA28ERR", "RA-228"),
    ("SR90ERR", "SR90"),
    ("CS137ERR", "CS137"),
];

/// Unit, and the parameters that have it.
const UNITS: &[(&str, &str)] = &[
    (
        "",
        "EXPOCODE SECT_ID SECT STNNBR CASTNO SAMPNO BTLNBR DATE TIME LATITUDE LONGITUDE BTL_DATE BTL_TIME BTL_LAT BTL_LON",
    ),
    ("", "PH_TOT PH_SWS PH PH_TS CTDRAW BLACKC D15N_NO3 FCO2 CTDFLUOR CTDXMISS"),
    ("METERS", "DEPTH"),
    ("DBAR", "CTDPRS REVPRS"),
    ("ITS-90", "CTDTMP POTTMP THETA REFTMP SBE35 REVTMP"),
    ("IPTS-68", "CTDTMP THETA REVTMP REFTMP"),
    ("PSS-78", "CTDSAL SALNTY"),
    ("DEG C", "THETA PH_TMP REFTMP REVTMP FCO2TMP PCO2TMP"),
    ("DEGC", "THETA PH_TMP REFTMP REVTMP FCO2TMP PCO2TMP"),
    (
        "UMOL/KG",
        "CTDOXY OXYGEN SILCAT NITRAT NITRIT NO2+NO3 PHSPHT NH4 AMMON TCARBN ALKALI DOC TDN DON TON TOC PON POC",
    ),
    ("ML/L", "CTDOXY OXYGEN"),
    ("PMOL/KG", "CFC-11 CFC-12 CFC113 CCL4 F113ER"),
    ("FMOL/KG", "SF6 CCL4"),
    ("NMOL/KG", "HELIUM HELIER NEON NEONER ARGON ARGERR N2O CH4 BARIUM ALUMIN IRON"),
    ("NMOL/L", "ALUMIN IRON"),
    (
        "/MILLE",
        "DELC13 DELC14 C13ERR C14ERR DELO18 DELSI30 D15N_NO3 D18O_NO3 D15N_NO3+NO2 D18O_NO3+NO2 D14C-DOC D13C-DOC",
    ),
    ("PERCNT", "DELHE3 DELHER"),
    ("TU", "TRITUM TRITER"),
    ("UG/KG", "POC PON"),
    ("UG/L", "CHLORA PHAEO"),
    ("MG/M3", "CHLORA PHAEO CTDFLUOR"),
    ("UATM", "PCO2 FCO2"),
    ("1/M", "CDOM325 CDOM340 CDOM380 CDOM412 CDOM443 CDOM490 CDOM555"),
    ("1/NM", "CDOMSL CDOMSN"),
    ("VOLTS", "CTDXMISS CTDFLUOR CTDXMISS05 XMISS FLUOR TRANSM TURBIDITY"),
    ("%TRANS", "CTDXMISS XMISS"),
];

/// Whether the parameter is known with this unit.
pub(super) fn is_known(name: &str, unit: &str) -> bool {
    UNITS.iter().any(|(u, names)| *u == unit && names.split(' ').any(|n| n == name))
}
