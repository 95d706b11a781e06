import io
import stat
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.archive import check_archive, find_member, member_names, read_member
from pipeline.errors import DataError

NAME = "rvu24a.zip"
RVU = b"HCPCS,MOD,DESCRIPTION\nG0411,,Electrostimulation\n" * 20
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for entry, content in entries:
            info = zipfile.ZipInfo(entry) if isinstance(entry, str) else entry
            archive.writestr(info, content, compression)
    return target.getvalue()


def patched(content: bytes, record: bytes, offset: int, new: bytes) -> bytes:
    """Overwrite bytes at an offset of the first record that begins with a signature."""
    at = content.index(record) + offset
    return content[:at] + new + content[at + len(new) :]


def written(folder: Path, content: bytes) -> Path:
    path = folder / NAME
    path.write_bytes(content)
    return path


def check(folder: Path, content: bytes) -> None:
    check_archive(written(folder, content), NAME)


def test_a_whole_plain_zip_is_accepted(tmp_path: Path) -> None:
    check(tmp_path, zipped(("PPRRVU24.csv", RVU), ("docs/", b""), ("docs/RVU24A.pdf", b"%PDF")))


def test_a_small_member_may_compress_as_it_likes(tmp_path: Path) -> None:
    check(tmp_path, zipped(("PPRRVU24.csv", b" " * 500_000)))


# Archives that attack.


@pytest.mark.parametrize(
    "member",
    [
        "../evil.csv",
        "docs/../../evil.csv",
        "/etc/cron.d/evil",
        "..\\evil.csv",
        "docs\\..\\..\\evil.csv",
        "\\\\server\\share\\evil.csv",
        "C:\\evil.csv",
        "c:evil.csv",
    ],
)
def test_a_member_that_points_outside_is_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(DataError, match=rf"{NAME} is refused: member .*evil.* points outside the archive"):
        check(tmp_path, zipped(("PPRRVU24.csv", RVU), (member, b"x")))


def test_two_dots_inside_a_name_are_harmless(tmp_path: Path) -> None:
    check(tmp_path, zipped(("docs/PPRRVU24..final.csv", RVU)))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = patched(zipped(("PPRRVU24.csv", RVU)), LOCAL, 6, b"\x01")
    with pytest.raises(DataError, match=r"member PPRRVU24\.csv is encrypted"):
        check(tmp_path, patched(content, CENTRAL, 8, b"\x01"))


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK],
    ids=["link", "character device", "block device", "pipe", "socket"],
)  # fmt: skip
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("PPRRVU24.csv")
    link.external_attr = (kind | 0o777) << 16
    with pytest.raises(DataError, match=r"member PPRRVU24\.csv is a link or a device"):
        check(tmp_path, zipped((link, b"/etc/passwd")))


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07PPRRVU24.csv", r"'\\x1b\[2J\\x1b\]0;owned\\x07PPRRVU24\.csv'"),
        ("PPRRVU24.csv\r\nPublished", r"'PPRRVU24\.csv\\r\\nPublished'"),
        ("PPRRVU24\u202evsc.exe", r"'PPRRVU24\\u202evsc\.exe'"),
        ("P" * 300, "'PPPP"),
    ],
    ids=["escape sequence", "line break", "text turned around", "very long"],
)
def test_a_name_that_plays_with_the_terminal_is_refused_and_shown_harmless(
    tmp_path: Path, member: str, shown: str
) -> None:
    with pytest.raises(DataError, match=rf"a member's name, {shown}.* is too long or holds") as problem:
        check(tmp_path, zipped((member, RVU)))
    assert str(problem.value).isprintable()


def test_a_name_that_goes_on_behind_a_nul_is_refused(tmp_path: Path) -> None:
    content = zipped(("PPRRVU24.csv~../../evil", RVU)).replace(b"csv~..", b"csv\0..")
    with pytest.raises(DataError, match=r"a member's name, 'PPRRVU24\.csv\\x00\.\./\.\./evil'"):
        check(tmp_path, content)


def test_more_members_than_any_release_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it holds 501 members, more than 500"):
        check(tmp_path, zipped(*[(f"{number}.csv", b"") for number in range(501)]))


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    content = zipped(("a.csv", RVU), ("b.csv", RVU))
    second = content.index(CENTRAL, content.index(CENTRAL) + 1)
    # The second entry of the directory points where the first one does, as in a "zip of death".
    same_place = content[: second + 42] + bytes(4) + content[second + 46 :]
    with pytest.raises(DataError, match="its members overlap"):
        check(tmp_path, same_place)
    within = content[: second + 42] + (20).to_bytes(4, "little") + content[second + 46 :]
    with pytest.raises(DataError, match="its members overlap"):
        check(tmp_path, within)


def test_a_member_that_expands_enormously_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"member PPRRVU24\.csv expands more than 200 times"):
        check(tmp_path, zipped(("PPRRVU24.csv", bytes(3 << 20))))


def test_many_members_that_expand_to_too_much_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.archive.MAX_EXPANDED_BYTES", 3 << 20)
    with pytest.raises(DataError, match="it expands to more than 3 MiB"):
        check(tmp_path, zipped(*[(f"{number}.csv", bytes(1 << 20)) for number in range(4)]))


def test_a_member_that_hides_its_true_size_is_refused(tmp_path: Path) -> None:
    content = patched(zipped(("PPRRVU24.csv", bytes(3 << 20))), CENTRAL, 24, (100).to_bytes(4, "little"))
    with pytest.raises(DataError, match=rf"{NAME} is damaged"):
        check(tmp_path, content)


def test_a_member_that_hides_its_true_size_behind_a_fitting_checksum_is_read_no_further(tmp_path: Path) -> None:
    content = patched(zipped(("PPRRVU24.csv", bytes(3 << 20))), CENTRAL, 24, (100).to_bytes(4, "little"))
    path = written(tmp_path, patched(content, CENTRAL, 16, zlib.crc32(bytes(100)).to_bytes(4, "little")))
    check_archive(path, NAME)
    assert read_member(path, "PPRRVU24.csv") == bytes(100)


def test_a_member_that_is_smaller_than_it_says_is_refused(tmp_path: Path) -> None:
    content = patched(zipped(("PPRRVU24.csv", RVU)), CENTRAL, 24, (len(RVU) + 1).to_bytes(4, "little"))
    with pytest.raises(DataError, match=r"is damaged at member PPRRVU24\.csv"):
        check(tmp_path, content)


# Archives that are damaged.


def test_a_truncated_zip_is_refused_with_what_to_do(tmp_path: Path) -> None:
    content = zipped(("PPRRVU24.csv", RVU))
    with pytest.raises(DataError, match=rf"{NAME} is damaged .*expected a whole zip\. Remove it and pull it again"):
        check(tmp_path, content[: len(content) // 2])


def test_a_flipped_bit_is_refused_naming_the_member(tmp_path: Path) -> None:
    content = zipped(("PPRRVU24.csv", RVU), ("GPCI2024.csv", b"locality"), compression=zipfile.ZIP_STORED)
    with pytest.raises(DataError, match=r"is damaged at member GPCI2024\.csv"):
        check(tmp_path, content.replace(b"locality", b"localitx"))


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["deflate", "bzip2", "lzma"]
)
def test_damage_is_told_whatever_the_compression(tmp_path: Path, compression: int) -> None:
    content = zipped(("PPRRVU24.csv", RVU), compression=compression)
    start = content.index(b"PPRRVU24.csv") + 12
    with pytest.raises(DataError, match=NAME):
        check(tmp_path, content[: start + 20] + b"\xff" * 10 + content[start + 30 :])


def test_a_compression_that_we_cannot_read_is_told(tmp_path: Path) -> None:
    content = patched(zipped(("PPRRVU24.csv", RVU)), LOCAL, 8, b"\x09")  # Deflate64, which Windows likes
    with pytest.raises(DataError, match=NAME):
        check(tmp_path, patched(content, CENTRAL, 10, b"\x09"))


def test_a_member_name_of_broken_utf8_is_told(tmp_path: Path) -> None:
    content = zipped(("PPRRVU24-é.csv", RVU))
    with pytest.raises(DataError, match=NAME):
        check(tmp_path, content.replace("é".encode(), b"\xff\xff"))


@given(st.data())
@settings(deadline=None)
def test_a_zip_cut_short_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = zipped(("PPRRVU24.csv", RVU), ("docs/RVU24A.pdf", b"%PDF"))
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DataError, match=NAME):
        check(tmp_path_factory.mktemp("cut"), content[:length])


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_bit_flipped_anywhere_is_refused_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(zipped(("PPRRVU24-é.csv", RVU)))
    content[data.draw(st.integers(0, len(content) - 1), "byte")] ^= 1 << data.draw(st.integers(0, 7), "bit")
    path = written(tmp_path_factory.mktemp("flipped"), bytes(content))
    try:
        check_archive(path, NAME)
    except DataError:
        return
    assert [read_member(path, member) for member in member_names(path)] == [RVU]


# Files that are no archive at all.


def test_an_empty_file_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{NAME} is not a zip: it begins with b'', expected b'PK'"):
        check(tmp_path, b"")


def test_any_other_file_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{NAME} is not a zip: it begins with b'HCPCS,MO'"):
        check(tmp_path, RVU)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>\n License Agreement </title>", "License Agreement"),
        (b"\xef\xbb\xbf\r\n<HTML><TITLE>Page Not Found</TITLE>", "Page Not Found"),
        (b"<html><body>Access Denied</body></html>", "no title"),
        (b"<html><title>\x1b[2J Sorry\nrvu: all is well</title>", r"\\x1b\[2J Sorry rvu: all is well"),
    ],
)
def test_a_web_page_is_named_by_its_title(tmp_path: Path, page: bytes, title: str) -> None:
    with pytest.raises(DataError, match=rf"{NAME} is a web page \({title}\), expected a zip"):
        check(tmp_path, page)


# Members.


def test_a_member_is_found_in_any_subfolder_and_letter_case(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(("RVU24A/", b""), ("RVU24A/Data/pprrvu24_JAN.CSV", RVU), ("GPCI2024.csv", b"x")))
    assert find_member(path, r"^PPRRVU.*\.csv$") == "RVU24A/Data/pprrvu24_JAN.CSV"
    assert read_member(path, "RVU24A/Data/pprrvu24_JAN.CSV") == RVU


def test_a_folder_that_is_named_like_a_member_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(("PPRRVU24/", b""), ("PPRRVU24/GPCI2024.csv", b"x")))
    assert find_member(path, "^PPRRVU") is None


def test_a_member_that_is_absent_is_none(tmp_path: Path) -> None:
    assert find_member(written(tmp_path, zipped(("GPCI2024.csv", b"x"))), "^PPRRVU") is None


def test_two_members_that_match_are_an_error_that_names_both(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(("a/PPRRVU24.csv", RVU), ("b/pprrvu24.csv", RVU)))
    with pytest.raises(DataError, match=rf"{NAME} holds several members.*a/PPRRVU24\.csv, b/pprrvu24\.csv"):
        find_member(path, "^PPRRVU")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_members_of_the_very_same_name_are_an_error_too(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(("PPRRVU24.csv", RVU), ("PPRRVU24.csv", RVU.replace(b"G0411", b"G0412"))))
    with pytest.raises(DataError, match=r"PPRRVU24\.csv"):
        check_archive(path, NAME)
        find_member(path, "^PPRRVU")


def test_the_resource_forks_of_a_mac_are_ignored(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(("PPRRVU24.csv", RVU), ("__MACOSX/PPRRVU24.csv", b"fork"), ("__MACOSX/", b"")))
    check_archive(path, NAME)
    assert member_names(path) == {"PPRRVU24.csv": "PPRRVU24.csv"}
    assert find_member(path, "PPRRVU") == "PPRRVU24.csv"
