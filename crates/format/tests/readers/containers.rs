//! What files are wrapped in, and which members are read.

use lakegate_domain::Code;
use lakegate_domain::model::{Caps, Csv, Format};
use lakegate_format::open::open;

use crate::*;

const CSV: &[u8] = b"a,b\n1,2\n3,\"x\ny\"\n";

fn want() -> Vec<Row> {
    vec![row(&[("a", "1"), ("b", "2")]), row(&[("a", "3"), ("b", "x\ny")])]
}

#[test]
fn the_same_rows_from_any_container() {
    let long = format!("{}/t.csv", "folder".repeat(30));
    for (name, bytes) in [
        ("t.csv", CSV.to_vec()),
        ("t.csv.gz", gz(CSV)),
        ("t.csv.gz", [gz(&CSV[..6]), gz(&CSV[6..])].concat()),
        ("t.csv.zst", zst(CSV)),
        ("t.csv.zst", [zst(&CSV[..6]), zst(&CSV[6..])].concat()),
        // Names say nothing about containers.
        ("t.csv.gz", CSV.to_vec()),
        ("t.csv", gz(CSV)),
        ("t.csv", zip(&[("t.csv", CSV)])),
        ("t.zip", zip(&[("t.csv", CSV)])),
        ("t.zip", zip_by(&[("t.csv", CSV)], zip::CompressionMethod::Stored)),
        ("t.zip", zip_by(&[("t.csv", CSV)], zip::CompressionMethod::Zstd)),
        ("t.zip", zip_by(&[("t.csv", CSV)], zip::CompressionMethod::Bzip2)),
        ("t.zip", zip(&[("d\\t.csv", CSV)])),
        ("t.zip", zip(&[("t.csv.gz", &gz(CSV))])),
        ("t.tar", tar(&[("t.csv", CSV)])),
        ("t.tar", tar(&[("./d/t.csv", CSV)])),
        ("t.tar", tar(&[(&long, CSV)])),
        ("t.tar.gz", gz(&tar(&[("t.csv", CSV)]))),
        ("t.tgz", gz(&tar(&[("t.csv", CSV)]))),
        ("t.tar.zst", zst(&tar(&[("t.csv", CSV)]))),
        ("t.zip", zip(&[("in.zip", &zip(&[("t.csv", CSV)]))])),
        ("t.tar", tar(&[("in.zip", &zip(&[("t.csv", CSV)]))])),
        ("t.zip", zip(&[("in.tar.gz", &gz(&tar(&[("t.csv.zst", &zst(CSV))])))])),
        ("t.tar", tar(&[("in.tar", &tar(&[("t.csv", CSV)]))])),
    ] {
        assert_eq!(rows(&bytes, name, &reads(None)).unwrap(), want(), "{name}");
        assert_eq!(rows_by(&bytes, name, &reads(None), 16).unwrap(), want(), "{name} in small chunks");
    }
}

#[test]
fn a_zip_that_was_streamed_has_its_sizes_behind_the_data() {
    let mut w = zip::ZipWriter::new_stream(Vec::new());
    w.start_file("t.csv", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut w, CSV).unwrap();
    let bytes = w.finish().unwrap().into_inner();
    assert_eq!(rows(bytes, "t.zip", &reads(None)).unwrap(), want());
}

#[test]
fn zip64() {
    let mut w = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    w.start_file("t.csv", zip::write::SimpleFileOptions::default().large_file(true)).unwrap();
    std::io::Write::write_all(&mut w, CSV).unwrap();
    let bytes = w.finish().unwrap().into_inner();
    assert_eq!(rows(bytes, "t.zip", &reads(None)).unwrap(), want());
}

fn members(bytes: &[u8], name: &str, read: &Read) -> Result<Vec<(Option<String>, String)>> {
    let mut found = Vec::new();
    for chunk in chunks_of(bytes, name, read, CHUNK)? {
        found.push((chunk.stream.name.clone(), chunk.stream.member.clone().unwrap_or_default()));
    }
    Ok(found)
}

fn paths(bytes: &[u8], name: &str, read: &Read) -> Vec<String> {
    members(bytes, name, read).unwrap().into_iter().map(|(_, m)| m).collect()
}

#[test]
fn members_are_read_in_order_without_junk_and_folders() {
    let mut w = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        if kind == tar::EntryType::Symlink {
            header.set_link_name("b.csv").unwrap();
        }
        header.set_path(name).unwrap();
        header.set_cksum();
        w.append(&header, bytes).unwrap();
    };
    add(tar::EntryType::Directory, "d/", b"");
    add(tar::EntryType::Regular, "d/b.csv", CSV);
    add(tar::EntryType::Symlink, "d/link.csv", b"");
    add(tar::EntryType::Fifo, "d/fifo.csv", b"");
    add(tar::EntryType::Regular, "__MACOSX/d/._b.csv", b"\0\0");
    add(tar::EntryType::Regular, "d/.DS_Store", b"\0\0");
    add(tar::EntryType::Regular, "a.csv", CSV);
    let bytes = w.into_inner().unwrap();
    assert_eq!(paths(&bytes, "t.tar", &reads(None)), ["d/b.csv", "a.csv"]);
}

#[test]
fn sparse_members_are_put_together() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_path("s.csv").unwrap();
    header.set_size(1024);
    let gnu = header.as_gnu_mut().unwrap();
    let octal = |field: &mut [u8; 12], n: usize| field[..11].copy_from_slice(format!("{n:011o}").as_bytes());
    octal(&mut gnu.realsize, 1024);
    octal(&mut gnu.sparse[0].offset, 0);
    octal(&mut gnu.sparse[0].numbytes, 512);
    octal(&mut gnu.sparse[1].offset, 512);
    octal(&mut gnu.sparse[1].numbytes, 512);
    header.set_cksum();
    let text = format!("a\n{}\n", "x".repeat(1021));
    let mut w = tar::Builder::new(Vec::new());
    w.append(&header, text.as_bytes()).unwrap();
    let mut next = tar::Header::new_gnu();
    next.set_size(CSV.len() as u64);
    w.append_data(&mut next, "t.csv", CSV).unwrap();
    let found = rows(w.into_inner().unwrap(), "t.tar", &reads(None)).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0]["a"].len(), 1021);
}

#[test]
fn members_are_picked_by_pattern() {
    let bytes =
        zip(&[("x/one.csv", CSV), ("x/two.csv", CSV), ("notes.bin", b"\0\0"), ("three.csv.gz", &gz(CSV))]);
    for (pattern, want) in [
        ("x/.*", &["x/one.csv", "x/two.csv"][..]),
        (r"one\.csv", &["x/one.csv"]),
        (r"t.*\.csv", &["x/two.csv", "three.csv.gz"]),
        (r"three\.csv\.gz", &["three.csv.gz"]),
        (r".*\.csv|nothing", &["x/one.csv", "x/two.csv", "three.csv.gz"]),
    ] {
        let read = Read { member: Some(pattern.into()), ..reads(None) };
        assert_eq!(paths(&bytes, "t.zip", &read), want, "{pattern}");
    }
    // Anchored at both ends.
    let read = Read { member: Some("one".into()), ..reads(None) };
    let e = error(&bytes, "t.zip", &read);
    assert_eq!(e.code, Code::NoMember);
    assert!(e.message.contains("`x/one.csv`, `x/two.csv`, `notes.bin`, `three.csv.gz`"), "{e}");
}

#[test]
fn members_of_archives_in_archives() {
    let inner = zip(&[("one.csv", CSV), ("two.csv", CSV)]);
    let bytes = tar(&[("in.zip", &inner), ("three.csv", CSV)]);
    let all = ["in.zip/one.csv", "in.zip/two.csv", "three.csv"];
    assert_eq!(paths(&bytes, "t.tar", &reads(None)), all);
    for (pattern, want) in [(r"one\.csv", &all[..1]), (r"in\.zip", &all[..2]), (r"in\.zip/t.*", &all[1..2])] {
        let read = Read { member: Some(pattern.into()), ..reads(None) };
        assert_eq!(paths(&bytes, "t.tar", &read), want, "{pattern}");
    }
}

#[test]
fn streams_take_their_members() {
    let bytes = zip(&[("gtfs/stops.txt", CSV), ("gtfs/trips.txt", CSV), ("other.csv", CSV)]);
    let read = Read {
        streams: vec![
            stream("stops", r"stops\.txt"),
            stream("trips", r"gtfs/tri.*"),
            stream("stops", r"stop.*"),
        ],
        ..reads(None)
    };
    let found = members(&bytes, "t.zip", &read).unwrap();
    let some = |n: &str, m: &str| (Some(n.to_string()), m.to_string());
    assert_eq!(found, [some("stops", "gtfs/stops.txt"), some("trips", "gtfs/trips.txt")]);
    let mut with_rest = read.clone();
    with_rest.member = Some(".*".into());
    assert_eq!(members(&bytes, "t.zip", &with_rest).unwrap()[2], (None, "other.csv".to_string()));
    let two = Read { streams: vec![stream("x", ".*"), stream("y", r"stops\.txt")], ..reads(None) };
    let e = members(&bytes, "t.zip", &two).unwrap_err();
    assert_eq!(e.code, Code::NoMember);
    assert!(e.message.contains("`gtfs/stops.txt`") && e.message.contains("`x` and `y`"), "{e}");
    // A file that is no archive goes to the stream that its name fits.
    assert_eq!(members(CSV, "stops.txt", &read).unwrap()[0].0.as_deref(), Some("stops"));
    assert_eq!(members(CSV, "fares.txt", &read).unwrap_err().code, Code::NoMember);
}

#[test]
fn members_may_be_of_several_formats() {
    let bytes = zip(&[("a.csv", CSV), ("b.json", b"[{\"a\":1}]"), ("c.ndjson", b"{\"a\":1}\n")]);
    let found: Vec<_> =
        chunks_of(bytes, "t.zip", &reads(None), CHUNK).unwrap().iter().map(|c| c.stream.format).collect();
    assert_eq!(found, ["csv", "json", "ndjson"]);
}

#[test]
fn unsafe_names_are_refused() {
    for name in ["../a.csv", "/a.csv", "x/../../a.csv", "..\\a.csv", "C:\\a.csv"] {
        for bytes in [zip(&[("ok.csv", CSV), (name, CSV)]), tar(&[("ok.csv", CSV), (name, CSV)])] {
            let e = error(bytes, "t", &reads(None));
            assert_eq!(e.code, Code::UnsafeName, "{name}: {e}");
            assert!(e.message.contains(&*name.escape_debug().to_string()), "{e}");
        }
    }
}

fn capped(caps: Caps) -> Read {
    Read { caps, ..as_csv(Csv::default()) }
}

#[test]
fn caps() {
    let bomb = gz(&[&b"a\n"[..], &b"1\n".repeat(20 << 20)].concat());
    let default = Caps::default();
    for (bytes, caps, code, needle) in [
        (bomb.clone(), Caps { expanded_bytes: 1 << 20, ..default }, Code::CapExceeded, "1.0 MiB"),
        (bomb.clone(), Caps { ratio: 100, ..default }, Code::CapExceeded, "100 times"),
        (
            zip(&[("a.csv", &b"1\n".repeat(20 << 20))]),
            Caps { ratio: 100, ..default },
            Code::CapExceeded,
            "100 times",
        ),
        (
            zip(&[("a.csv", CSV), ("b.csv", CSV)]),
            Caps { entries: 1, ..default },
            Code::CapExceeded,
            "more than 1 members",
        ),
        (
            tar(&[("a.csv", CSV), ("b.csv", CSV)]),
            Caps { entries: 1, ..default },
            Code::CapExceeded,
            "more than 1 members",
        ),
        (gz(&gz(&gz(CSV))), Caps { depth: 2, ..default }, Code::TooDeep, "at most 2 layers"),
    ] {
        let e = error(&bytes, "t", &capped(caps));
        assert_eq!(e.code, code, "{e}");
        assert!(e.message.contains(needle), "{e}");
    }
    // Below 16 MiB no ratio matters.
    assert!(
        rows(
            gz(&[&b"a\n"[..], &b"1\n".repeat(1 << 20)].concat()),
            "t",
            &capped(Caps { ratio: 2, ..default })
        )
        .is_ok()
    );
    assert!(rows(gz(&gz(CSV)), "t", &capped(Caps { depth: 2, ..default })).is_ok());
}

#[test]
fn whatever_is_cut_short_is_damaged() {
    let body = format!("a,b\n{}", "some,words\n".repeat(3000)).into_bytes();
    let body = &body[..];
    for (name, whole) in [
        ("t.gz", gz(body)),
        ("t.zst", zst(body)),
        ("t.zip", zip(&[("a.csv", body)])),
        ("t.tar", tar(&[("a.csv", body)])),
        ("t.tar.gz", gz(&tar(&[("a.csv", body)]))),
    ] {
        assert!(rows(&whole, name, &reads(None)).is_ok());
        for share in [2, 3, 10] {
            let e = error(&whole[..whole.len() * (share - 1) / share], name, &reads(None));
            assert_eq!(e.code, Code::DamagedArchive, "{name}: {e}");
            assert!(e.message.contains("cut short"), "{name}: {e}");
        }
    }
    // At the end of a member, with nothing but the end mark missing.
    let whole = tar(&[("a.csv", CSV)]);
    let e = error(&whole[..1024], "t.tar", &reads(None));
    assert_eq!(e.code, Code::DamagedArchive);
    assert!(e.message.contains("end mark"), "{e}");
    // The trailing checksum of a gzip around a tar.
    let whole = gz(&tar(&[("a.csv", CSV)]));
    assert_eq!(error(&whole[..whole.len() - 4], "t.tar.gz", &reads(None)).code, Code::DamagedArchive);
}

#[test]
fn flipped_bits_are_found() {
    let mut stored = zip_by(&[("a.csv", CSV)], zip::CompressionMethod::Stored);
    let at = stored.windows(3).position(|w| w == b"1,2").unwrap();
    stored[at] = b'7';
    let e = error(stored, "t.zip", &reads(None));
    assert_eq!(e.code, Code::DamagedArchive);
    assert!(e.message.contains("`a.csv`") && e.message.contains("checksum"), "{e}");
    let mut zipped = gz(CSV);
    let n = zipped.len();
    zipped[n - 6] ^= 1;
    assert_eq!(error(zipped, "t.gz", &reads(None)).code, Code::DamagedArchive);
    let mut header = tar(&[("a.csv", CSV), ("b.csv", CSV)]);
    header[1024] ^= 1;
    let e = error(header, "t.tar", &reads(None));
    assert_eq!(e.code, Code::DamagedArchive);
    assert!(e.message.contains("`a.csv`"), "{e}");
}

#[test]
fn encrypted_members_are_refused_only_where_they_are_wanted() {
    let mut bytes = zip(&[("a.csv", CSV), ("secret.csv", CSV)]);
    // Sets the flag of encryption in the list's second entry.
    let at = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    bytes[at + 8] |= 1;
    let e = error(&bytes, "t.zip", &reads(None));
    assert_eq!(e.code, Code::DamagedArchive);
    assert!(e.message.contains("`secret.csv`") && e.message.contains("encrypted"), "{e}");
    let read = Read { member: Some(r"a\.csv".into()), ..reads(None) };
    assert_eq!(rows(&bytes, "t.zip", &read).unwrap(), want());
}

#[test]
fn archives_without_files() {
    for bytes in [zip(&[]), tar(&[]), zip(&[("d/.hidden", b"x")])] {
        // An archive of nothing but a tar's end mark is zeros and has no name.
        if bytes.iter().all(|b| *b == 0) {
            continue;
        }
        assert_eq!(error(bytes, "t", &reads(None)).code, Code::NoRecords);
    }
}

#[test]
fn other_containers_are_named() {
    for (bytes, what) in [
        (&b"\xFD7zXZ\0......"[..], "xz"),
        (b"BZh91AY&SY......", "bzip2"),
        (b"7z\xBC\xAF\x27\x1C....", "7z"),
        (b"Rar!\x1A\x07....", "rar"),
    ] {
        let e = error(bytes, "t.csv", &reads(None));
        assert_eq!(e.code, Code::Unrecognised);
        assert!(e.message.contains(what), "{e}");
    }
}

#[test]
fn errors_name_the_member() {
    let bytes = tar(&[("ok.csv", CSV), ("d/bad.csv", b"a,b\n1\n")]);
    let e = error(&bytes, "t.tar", &reads(None));
    assert_eq!(e.code, Code::Ragged);
    assert!(e.message.starts_with("in `d/bad.csv`: line 2"), "{e}");
    let e = error(tar(&[("empty.csv", b"")]), "t.tar", &reads(None));
    assert_eq!(
        (e.code, e.message.as_str()),
        (Code::NoRecords, "in `empty.csv`: the file is empty (0 bytes)")
    );
}

#[test]
fn large_inputs_are_spooled_to_disk_and_leave_nothing() {
    let spool = tempfile::tempdir().unwrap();
    let text: String = (0..1_500_000u64).map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761))).collect();
    let inner = zip_by(&[("t.csv", format!("n\n{text}").as_bytes())], zip::CompressionMethod::Stored);
    assert!(inner.len() > 8 << 20);
    let landed = spool.path().join("landed.tar");
    std::fs::write(&landed, tar(&[("in.zip", &inner)])).unwrap();
    let mut n = 0;
    for chunk in open(Source::File(landed.clone()), "landed.tar", &reads(None), spool.path()).unwrap() {
        n += parsed(&chunk.unwrap()).unwrap().n_rows;
    }
    assert_eq!(n, 1_500_000);
    std::fs::remove_file(&landed).unwrap();
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    std::fs::write(&landed, tar(&[("in.zip", &inner)])).unwrap();
    let gone = spool.path().join("gone");
    let e =
        open(Source::File(landed), "landed.tar", &reads(None), &gone).unwrap().find_map(|c| c.err()).unwrap();
    assert!(e.message.contains("gone"), "{e}");
}

#[test]
fn a_file_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("none.csv")] {
        let e = open(Source::File(path.clone()), "t.csv", &reads(None), folder.path()).err().unwrap();
        assert_eq!(e.code, Code::Unreadable, "{e}");
        assert!(e.message.contains(&path.display().to_string()), "{e}");
    }
}

#[test]
fn a_format_that_is_declared_is_believed() {
    let read = reads(Some(Format::Ndjson));
    assert_eq!(rows(gz(b"{\"a\":1}\n"), "t.csv", &read).unwrap(), [row(&[("a", "1")])]);
}

/// Whatever byte is damaged: rows or an error that parks the file, never a
/// panic, and never an error of the storage, after which it would be tried again.
#[test]
fn any_flipped_byte_is_the_files_fault() {
    let deflated = zip(&[("a.csv", CSV), ("b.csv.gz", &gz(CSV))]);
    let stored = zip_by(&[("a.csv", CSV)], zip::CompressionMethod::Stored);
    let tarred = tar(&[("a.csv", CSV), (&"long".repeat(40), CSV)]);
    let mut n_errors = 0;
    for whole in [deflated, stored, tarred.clone(), gz(&tarred), zst(&tarred), gz(CSV), zst(CSV)] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            if let Err(e) = rows(&bytes, "t.csv", &as_csv(Csv::default())) {
                n_errors += 1;
                assert!(
                    !matches!(e.code, Code::Storage | Code::DiskFull | Code::Unreadable),
                    "byte {at}: {e}"
                );
            }
        }
    }
    assert!(n_errors > 100);
}
