"""publish: a version appears whole or not at all, and shares what did not change."""

import errno
import shutil
from pathlib import Path

import pytest

from pipeline import publish
from pipeline.errors import DataError, MachineError, RvuError
from pipeline.flows import run_refresh
from pipeline.store import PROJECT, Store, sha256_of
from pipeline.verify import verify_version
from tests.conftest import run_sample
from tests.test_build import rezipped


def tree(folder: Path) -> dict[str, str]:
    """Return what a reader can see of a folder: every file with its hash."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def run_with(home: Path, archive: Path, label: str, *, is_sample: bool = True) -> publish.Published:
    return run_refresh([], {label: str(archive)}, is_sample=is_sample, accept_license=False)


@pytest.fixture
def own_content(home: Path) -> Path:
    """Give the home its own copy of the content, to edit."""
    return Path(shutil.copytree(PROJECT / "raw" / "content", home / "raw" / "content"))


def replace_in(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")


def test_first_version_verifies_and_is_latest(store: Store) -> None:
    version = store.require_version()
    assert (store.curated / "latest").resolve() == store.version_path(version)
    assert verify_version(store, version).problems == ()
    assert (store.version_path(version) / "CHANGES.md").read_text("utf-8").startswith(f"# {version}")


def test_same_inputs_give_the_same_bytes_elsewhere(sample_home: Path, tmp_path: Path) -> None:
    run_sample(tmp_path / "other")
    parquet = {path: digest for path, digest in tree(sample_home / "curated").items() if path.endswith(".parquet")}
    other = tree(tmp_path / "other" / "curated")
    assert {path: other[path] for path in parquet} == parquet


def test_second_run_publishes_nothing_new(home: Path, store: Store) -> None:
    before = tree(store.curated)
    run_sample(home)
    assert tree(store.curated) == before


def test_content_edit_rewrites_only_the_files_it_affects(own_content: Path, home: Path, store: Store) -> None:
    first = store.require_version()
    replace_in(own_content / "codes.csv", "talking-and-doing group therapy", "hands-on group therapy")
    run_sample(home)
    second = store.require_version()
    assert second != first
    differing = {
        path.parent.name
        for path in store.version_path(second).rglob("*.parquet")
        if not path.samefile(store.version_path(first) / path.relative_to(store.version_path(second)))
    }
    assert differing == {"code"}
    changes = (store.version_path(second) / "CHANGES.md").read_text("utf-8")
    assert "| code | RVU25A | 0 | 0 | 1 | plain_language |" in changes
    assert "our content changed" in changes


def test_reissued_archive_becomes_a_new_version_beside_the_old_one(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    reissue = rezipped(sample_archives["RVU25A"], tmp_path / "rvu25a-updated.zip", OPPSCAP=None)
    before = store.require_version()
    published = run_with(home, reissue, "RVU25A")
    assert published.is_new
    assert len(store.receipts("RVU25A")) == 2
    assert verify_version(store, before).problems == ()
    changes = (store.version_path(published.version) / "CHANGES.md").read_text("utf-8")
    assert "RVU25A was built from another archive" in changes
    assert "| opps_cap | RVU25A | 0 | 0 | 0 | file removed |" in changes


def test_real_release_takes_the_place_of_the_samples(
    home: Path, store: Store, sample_archives: dict[str, Path]
) -> None:
    published = run_with(home, sample_archives["RVU26C"], "RVU26C", is_sample=False)
    # The same bytes are kept already, as a sample: they stay one, so nothing changes.
    assert list(published.manifest["releases"]) == ["RVU25A", "RVU26C"]


def test_samples_leave_when_a_real_release_arrives(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    real = rezipped(sample_archives["RVU26C"], tmp_path / "rvu26c.zip")
    content = shutil.copytree(PROJECT / "raw" / "content", home / "raw" / "content")
    for name in ("codes.csv", "synonyms.csv", "specialties.csv"):
        lines = (content / name).read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line[0].isalpha() and line[0] != "D"]
        (content / name).write_text("".join(kept), "utf-8")
    published = run_with(home, real, "RVU26C", is_sample=False)
    assert list(published.manifest["releases"]) == ["RVU26C"]
    assert not published.manifest["is_sample"]


def test_content_for_a_code_that_no_release_has_is_refused(own_content: Path, home: Path, store: Store) -> None:
    with (own_content / "codes.csv").open("a", encoding="utf-8") as codes:
        codes.write("G0000,,An invented service for a test.,test,Used in a test only.\n")
    before = tree(store.curated)
    with pytest.raises(DataError, match="no release of this version has: G0000"):
        run_sample(home)
    assert tree(store.curated) == before


def test_broken_archive_leaves_curated_as_it_was(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    before = tree(store.curated)
    for number, member in enumerate((b"", b"HCPCS,MOD\r\nG0008,\r\n", b"\x00\xff" * 500)):
        broken = rezipped(sample_archives["RVU26C"], tmp_path / f"{number}-rvu26c.zip", PPRRVU=member)
        with pytest.raises(RvuError):
            run_with(home, broken, "RVU26C")
        assert tree(store.curated) == before


def test_full_disk_at_any_step_leaves_curated_as_it_was(
    own_content: Path, home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(store.curated)
    replace_in(own_content / "codes.csv", "talking-and-doing group therapy", "hands-on group therapy")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for moment in ("write_table", "_describe_files", "_changes", "_share_with_parent"):
        with monkeypatch.context() as patch, pytest.raises(MachineError, match="the disk is full"):
            patch.setattr(publish, moment, full)
            run_sample(home)
        assert tree(store.curated) == before, moment
    run_sample(home)
    assert verify_version(store, store.require_version()).problems == ()


def test_verify_names_what_was_tampered_with(store: Store) -> None:
    version = store.require_version()
    path = store.version_path(version) / "gpci" / "RVU25A.parquet"
    content = bytearray(path.read_bytes())
    path.unlink()  # the private copy is a hard link
    content[100] ^= 1
    path.write_bytes(content)
    (store.version_path(version) / "code" / "RVU26C.parquet").unlink()
    (store.version_path(version) / "code" / "RVU99A.parquet").write_bytes(b"")
    problems = "\n".join(verify_version(store, version).problems)
    assert "gpci/RVU25A.parquet differs from its manifest" in problems
    assert "code/RVU26C.parquet is missing" in problems
    assert "code/RVU99A.parquet is not in the manifest" in problems


def test_archive_that_is_gone_is_named_with_the_way_to_get_it_back(
    own_content: Path, home: Path, store: Store
) -> None:
    shutil.rmtree(store.archives_folder("RVU25A"))
    replace_in(own_content / "codes.csv", "talking-and-doing group therapy", "hands-on group therapy")
    archive = next((PROJECT / "raw" / "sample").glob("rvu26c*"))
    with pytest.raises(DataError, match="Pull it again: rvu run RVU25A"):
        run_with(home, archive, "RVU26C")
