"""Writes udunits.txt: conversions as UDUNITS-2 itself computes them.

    pip install cf-units==3.3.1
    python udunits.py > udunits.txt

Lines are: from, to, what 0 becomes, what 1 becomes; or from, to, `error`.
"""
import warnings

import cf_units

warnings.simplefilter("ignore")

BASES = ["m", "kg", "s", "A", "K", "mol", "cd", "1", "m2", "m3", "m s-1", "m s-2", "Pa", "J", "W", "N", "C", "V", "F",
         "ohm", "S", "Wb", "T", "H", "lm", "lx", "kat", "Hz", "mol-1", "m-1", "mol m-2", "m3 s-1", "kg m-2 s-2",
         "m2 s-1", "Pa s", "A/m", "J m-2", "J kg-1", "C/kg", "K m2 kg-1 s-1", "W m-3", "J kg-1 K-1", "kg m-1 s2", "V2", "V2 s", "m2 s", "kg m-3 m s-2", "s A", "K s-1", "Pa m-1", "W m-2 Hz-1", "mol kg-1", "mol m-3", "kg m-3",
         "W m-2", "K m-1", "S m-1", "mol m-2 s-1", "kg m-2 s-1", "m2 s-2", "W m-2 sr-1"]

WORDS = """meter metres kilogram seconds amp kelvins moles candela radian rad sr degree degrees arc_minute arcsec ° ' "
grade circle turn degree_north degrees_north degree_N degrees_E degree_true degree_west % percent ppm ppb ppt ppmv
count bit byte sec min minutes h hr hours d day days week fortnight year years yr month common_year Julian_year
Hz hertz Bq Ci curie rps rpm cps degC deg_C degree_C degrees_Celsius celsius Celsius °C degK degree_kelvin °K degR
degF fahrenheit °F deg_F K angstrom Å micron micrometer um µm nm mm cm dm dam km Mm inch inches in mil foot feet ft yard yd
mile miles mi US_survey_foot fathoms furlong nautical_mile nautical_miles nmile au parsec light_year kayser are hectare
hectares acre barn darcy liter litres L l mL ml dl cc gallon gallons quart pint cup floz barrel acre_foot
knot knots kt kts sverdrup Sv gal mGal gravity PVU gram grams g mg ug µg ng kg t tonne tonnes lb pound pounds
carat grain slug ton long_ton u amu einstein kat DU dobson molecule newton N mN dyne kgf lbf pascal Pa hPa kPa MPa
bar mbar dbar millibar millibars decibar decibars Bar atm atmosphere at H2O cmH2O mmHg torr inHg psi ksi poise St
joule J kJ MJ erg eV keV MeV calorie cal kcal Btu therm watt W mW kW MW watthour hp horsepower langley
ampere A mA uA coulomb C volt V mV uV farad F uF ohm Ω siemens S mS uS weber tesla T nT gamma gauss henry H Oe e
lumen lm lux lx klx gray Gy sievert rem R footcandle nit METER Meters KiloMeter MILLIBARS DegC hpa HPA DBAR psi PSI deg mb
degs_C degsC henries hertzes luxes siemenses kmeter hectopascal hectopascals deka dakelvin dam2 m2 m^2 m**2 m²
m.s-1 m/s m/s2 kg.m-3 1e-3 1e-6 1000 10.m 0.1m 2.5m .5m 1/s 100%
kilo k psux furlongs parsecs xyz m3s m_s""".split()

PHRASES = ["m s-1", "m s^-1", "m s**-1", "m per s", "m PER s", "m / s", "cm/s", "km h-1", "km/hour", "mile/hour",
           "miles per hour", "ft/min", "kg m-3", "g/cm3", "g cm^-3", "mg/L", "mg l-1", "ug/m3", "umol/kg", "umol kg-1",
           "µmol kg-1", "umol/L", "umol l-1", "mmol m-3", "nmol/kg", "pmol/kg", "mol.m-3", "ml/l", "ml/L", "mL L-1",
           "W/m2", "W m-2", "W.m^-2", "mW cm-2", "mW/cm2/nm", "W m-2 sr-1", "W/(m2 sr)", "uE m-2 s-1",
           "umol m-2 s-1", "mS/cm", "uS/cm", "mS cm-1", "S/m", "K m-1", "degC/m", "degC m-1", "degF/ft", "degC/km",
           "J kg-1", "J/kg/K", "J kg-1 K-1", "m2 s-2", "m^2/s^2", "mm/hr", "mm h-1", "mm/day", "inch/hour",
           "kg m-2 s-1", "g m-2 d-1", "10 m", "1e3 m", "1.5e-3 kg", "-1 m", "2 degC", "K @ 273.15", "K from 273.15",
           "m2 s-1", "1e-6 m2 s-1 K kg-1", "10^3 kg", "(m)(s-1)", "m(s-1)", "3(m)", "kg/(m s2)", "kg/m s2", "m/s/s",
           "degrees C", "gravity 1000 kg/m^3 m", "m / s2", "cm^2/s", "100 km", "  m  ", "m+2", "m^+2",
           "/s", "m^", "(m", "m x", "m $", "seconds per day", "days per year", "hPa/km", "dbar m-1",
           "kg kg-1", "g/kg", "g kg-1", "m3 m-3", "A h", "mA.h", "V2", "V^2/Hz", "m2/Hz", "m^2 Hz^-1", "deg_true"]


def main():
    bases = [(text, cf_units.Unit(text)) for text in BASES]
    print("# from, to, what 0 becomes, what 1 becomes, as UDUNITS-2 computes them; made by udunits.py")
    for text in list(dict.fromkeys(WORDS + PHRASES)):
        try:
            unit = cf_units.Unit(text)
            if unit.is_unknown() or unit.is_no_unit():
                raise ValueError(text)
        except ValueError:
            print(text, "1", "error", sep="\t")
            continue
        matched = False
        for name, base in bases:
            # UDUNITS takes a unit for its inverse as well; Lakegate does not.
            if not unit.is_convertible(base) or not (unit / base).is_dimensionless():
                continue
            matched = True
            print(text, name, repr(float(unit.convert(0.0, base))), repr(float(unit.convert(1.0, base))), sep="\t")
            zero, one = base.convert(0.0, unit), base.convert(1.0, unit)
            print(name, text, repr(float(zero)), repr(float(one)), sep="\t")
        assert matched, text


main()
