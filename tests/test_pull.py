import errno
import io
import json
import os
import random
import re
import ssl
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Release
from pipeline.errors import DataError, MachineError, RvuError, UsageError
from pipeline.pull import LICENSE_NOTICE, archive_name, pull_release, require_license, take_local
from pipeline.store import Receipt, Store, sha256_of
from pipeline.web import ATTEMPTS
from tests.loopback import HANG_UP, Answer, Site, serve

LABEL = "RVU24A"
PATH = "/files/zip/rvu24a.zip"
WEB_PAGE = b"<!DOCTYPE html><html><head><title>License Agreement</title></head><body>Accept?</body></html>"


def zipped(content: bytes, name: str = "PPRRVU24.csv") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


# Of one length and large enough to arrive in many pieces; every byte past the headers differs between the two.
FIRST = zipped(random.Random(1).randbytes(300_000))  # noqa: S311
SECOND = zipped(random.Random(2).randbytes(300_000))  # noqa: S311
HALF = 150_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(self_signed())
    return path


@pytest.fixture
def loopback_only(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust this machine and no other: past any proxy, and without reading the world's certificates each time."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture
def site(loopback_only: None) -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture
def tls_site(loopback_only: None, certificate: Path) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(context) as site:
        yield site


def self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)


def release(*urls: str) -> Release:
    return Release(LABEL, date(2024, 1, 1), note="CMS withdrew it.", archives=urls)


def pull(store: Store, url: str) -> Receipt:
    return pull_release(store, release(url), backoff=0.01)


def kept(store: Store, receipt: Receipt) -> bytes:
    return store.archive_path(receipt).read_bytes()


def all_files(store: Store) -> list[Path]:
    return [path for path in store.home.rglob("*") if path.is_file()]


# What a pull keeps.


def test_a_pull_keeps_the_archive_and_a_receipt_of_where_it_came_from(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT")
    before = datetime.now(UTC)
    receipt = pull(store, url)
    folder = store.home / "raw" / "releases" / LABEL / receipt.sha256[:16]
    assert (folder / "rvu24a.zip").read_bytes() == FIRST
    assert receipt.sha256 == sha256_of(folder / "rvu24a.zip")
    assert json.loads((folder / "receipt.json").read_text("utf-8")) == {
        "release": LABEL,
        "archive": "rvu24a.zip",
        "sha256": receipt.sha256,
        "bytes": len(FIRST),
        "received_at": receipt.received_at,
        "url": url,
        "source": None,
        "headers": receipt.headers,
        "is_sample": False,
    }
    assert receipt.headers["etag"] == '"1"'
    assert receipt.headers["last-modified"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert before <= datetime.fromisoformat(receipt.received_at) <= datetime.now(UTC)


def test_a_finished_pull_leaves_no_litter(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=HALF)
    pull(store, url)
    assert list(store.home.rglob(".*")) == []


def test_the_newest_of_several_urls_is_pulled(store: Store, site: Site) -> None:
    older = site.put("/files/zip/rvu24a.zip", FIRST)
    newer = site.put("/files/zip/rvu24a-updated.zip", SECOND)
    receipt = pull_release(store, release(older, newer), backoff=0.01)
    assert (receipt.archive, kept(store, receipt)) == ("rvu24a-updated.zip", SECOND)


def test_the_old_download_pages_are_told_that_the_licence_is_accepted(store: Store, site: Site) -> None:
    path = "/medicare/physicianfeesched/downloads/rvu03_a.zip"
    receipt = pull(store, site.put(path, FIRST))
    assert site.requests[0].path == f"{path}?agree=yes&next=Accept"
    assert receipt.archive == "rvu03_a.zip"


def test_archives_are_pulled_over_https(store: Store, tls_site: Site) -> None:
    assert kept(store, pull(store, tls_site.put(PATH, FIRST))) == FIRST


# Pulling again.


@pytest.mark.parametrize(
    ("validators", "condition"),
    [
        ({"etag": '"1"'}, "if-none-match"),
        ({"etag": 'W/"1"'}, "if-none-match"),
        ({"last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "if-modified-since"),
    ],
)
def test_an_unchanged_archive_costs_one_request_without_a_body(
    store: Store, site: Site, validators: dict[str, str], condition: str
) -> None:
    url = site.put(PATH, FIRST, **validators)
    first = pull(store, url)
    site.requests.clear()
    assert pull(store, url) == first
    assert site.seen(condition) == list(validators.values())


def test_an_archive_that_is_gone_from_the_disk_is_pulled_again(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    receipt = pull(store, url)
    store.archive_path(receipt).unlink()
    assert kept(store, pull(store, url)) == FIRST


def test_a_changed_archive_lies_beside_the_first_which_stays_untouched(store: Store, site: Site) -> None:
    first = pull(store, site.put(PATH, FIRST, etag='"1"'))
    folder = store.archive_path(first).parent
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    second = pull(store, site.put(PATH, SECOND, etag='"2"'))
    assert store.receipts(LABEL) == [first, second]
    assert second.archive == first.archive
    assert kept(store, second) == SECOND
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_the_same_bytes_under_a_new_etag_are_kept_once(store: Store, site: Site) -> None:
    first = pull(store, site.put(PATH, FIRST, etag='"1"'))
    again = pull(store, site.put(PATH, FIRST, etag='"2"'))
    assert again.sha256 == first.sha256
    assert len(store.receipts(LABEL)) == 1


def test_the_same_bytes_under_a_new_etag_are_not_downloaded_for_ever(store: Store, site: Site) -> None:
    pull(store, site.put(PATH, FIRST, etag='"1"'))
    url = site.put(PATH, FIRST, etag='"2"')
    pull(store, url)
    site.requests.clear()
    pull(store, url)
    assert site.seen("if-none-match") == ['"2"']


def test_an_archive_that_cms_puts_back_is_current_again(store: Store, site: Site) -> None:
    first = pull(store, site.put(PATH, FIRST, etag='"1"'))
    pull(store, site.put(PATH, SECOND, etag='"2"'))
    url = site.put(PATH, FIRST, etag='"1"')
    assert pull(store, url).sha256 == first.sha256
    site.requests.clear()
    assert pull(store, url).sha256 == first.sha256
    assert site.seen("if-none-match") == ['"1"']


def test_an_archive_taken_from_this_machine_first_is_not_downloaded_for_ever(
    store: Store, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "rvu24a.zip").write_bytes(FIRST)
    url = site.put(PATH, FIRST, etag='"1"')
    take_local(store, release(url), tmp_path / "rvu24a.zip")
    pull(store, url)
    site.requests.clear()
    pull(store, url)
    assert site.seen("if-none-match") == ['"1"']


# Interrupted downloads.


@pytest.mark.parametrize(
    "validators", [{"etag": '"1"'}, {"last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"}], ids=["etag", "last-modified"]
)
def test_a_broken_download_goes_on_where_it_stopped(store: Store, site: Site, validators: dict[str, str]) -> None:
    url = site.put(PATH, FIRST, **validators)
    site.break_next(PATH, after=HALF)
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [None, f"bytes={HALF}-"]
    assert site.seen("if-range") == [None, *validators.values()]


def test_a_download_that_breaks_again_and_again_still_advances(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=1000)
    rest = FIRST[1000:]
    site.script.append(Answer(206, rest, {"ETag": '"1"', "Content-Range": "bytes 1000-"}, cut_at=1000))
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [None, "bytes=1000-", "bytes=2000-"]


def test_a_resumed_archive_is_known_as_unchanged_later(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=HALF)
    first = pull(store, url)
    site.requests.clear()
    assert pull(store, url) == first
    assert site.seen("if-none-match") == ['"1"']


def test_the_receipt_of_a_resumed_archive_speaks_of_the_whole_file(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=HALF)
    receipt = pull(store, url)
    assert receipt.bytes == len(FIRST)
    assert receipt.headers.get("content-length", str(len(FIRST))) == str(len(FIRST))


def test_a_file_that_changed_while_it_was_pulled_arrives_whole(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=HALF)
    site.put(PATH, SECOND, etag='"2"')
    assert kept(store, pull(store, url)) == SECOND
    assert site.seen("if-range") == [None, '"1"']


def test_a_mixture_of_two_files_is_never_kept(store: Store, site: Site) -> None:
    url = site.put(PATH, SECOND, etag='"2"')
    site.script.append(Answer(200, FIRST, {"ETag": '"1"'}, cut_at=HALF))
    site.script.append(Answer(206, SECOND[HALF:], {"ETag": '"2"', "Content-Range": f"bytes {HALF}-"}))
    with pytest.raises(DataError, match=r"rvu24a\.zip is damaged"):
        pull(store, url)
    assert all_files(store) == []
    assert kept(store, pull(store, url)) == SECOND


def test_a_range_that_the_server_no_longer_has_is_pulled_from_the_start(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=HALF)
    site.script.append(Answer(416))
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [None, f"bytes={HALF}-", None]


def test_a_part_as_long_as_the_whole_file_is_pulled_from_the_start(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.script.append(Answer(200, FIRST + b"-", {"ETag": '"1"'}, cut_at=len(FIRST)))
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [None, f"bytes={len(FIRST)}-", None]


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"1"'}], ids=["none", "weak"])
def test_a_truncated_body_that_cannot_be_resumed_is_pulled_from_the_start(
    store: Store, site: Site, validators: dict[str, str]
) -> None:
    url = site.put(PATH, FIRST, **validators)
    site.break_next(PATH, after=HALF)
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [None, None]


def test_a_connection_that_drops_before_the_answer_is_tried_again(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST)
    site.script.extend([HANG_UP, HANG_UP])
    assert kept(store, pull(store, url)) == FIRST
    assert len(site.requests) == 3


# A server in trouble.


@pytest.mark.parametrize(
    "trouble",
    [Answer(500), Answer(503), Answer(429, headers={"Retry-After": "0"}), Answer(503, headers={"Retry-After": "0"})],
)
def test_a_server_in_passing_trouble_is_asked_again(store: Store, site: Site, trouble: Answer) -> None:
    url = site.put(PATH, FIRST)
    site.script.append(trouble)
    assert kept(store, pull(store, url)) == FIRST
    assert len(site.requests) == 2


def test_giving_up_says_so_after_a_bounded_number_of_attempts(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST)
    site.script.extend([Answer(503)] * 50)
    with pytest.raises(
        MachineError, match=rf"(?s){url}.*{ATTEMPTS} attempts.*503 Service Unavailable.*run again later"
    ):
        pull(store, url)
    assert len(site.requests) == ATTEMPTS
    assert store.receipts(LABEL) == []


def test_after_giving_up_the_next_run_goes_on_where_the_last_one_stopped(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.break_next(PATH, after=HALF)
    site.script.extend([Answer(503)] * (ATTEMPTS - 1))
    with pytest.raises(MachineError, match="What arrived is kept"):
        pull(store, url)
    assert store.partial_download(LABEL, url).read_bytes() == FIRST[:HALF]
    site.requests.clear()
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [f"bytes={HALF}-"]


def test_an_unreachable_server_is_a_problem_of_the_machine(store: Store, site: Site) -> None:
    with serve() as gone:
        url = gone.put(PATH, FIRST)
    with pytest.raises(MachineError, match="connection broken"):
        pull(store, url)


def test_a_full_disk_is_told_and_the_next_pull_works(
    store: Store, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    url = site.put(PATH, FIRST, etag='"1"')
    with monkeypatch.context() as full, pytest.raises(MachineError, match=rf"{LABEL}: the disk is full"):
        full.setattr(os, "fsync", no_space)
        pull(store, url)
    assert store.receipts(LABEL) == []
    assert kept(store, pull(store, url)) == FIRST


# Answers that are no archive.


def test_a_web_page_instead_of_a_zip_is_named_and_not_kept(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST, etag='"1"')
    site.script.append(Answer(200, WEB_PAGE, {"Content-Type": "text/html", "ETag": '"page"'}))
    with pytest.raises(DataError, match=r"rvu24a\.zip is a web page \(License Agreement\), expected a zip.*cms\.gov"):
        pull(store, url)
    assert all_files(store) == []
    assert kept(store, pull(store, url)) == FIRST
    assert site.seen("range") == [None, None]


def test_a_missing_file_says_what_to_do_and_is_asked_for_once(store: Store, site: Site) -> None:
    url = f"{site.address}{PATH}"
    with pytest.raises(DataError, match=rf"{url} answered 404 .*correct `archives` in raw/catalog\.toml"):
        pull(store, url)
    assert len(site.requests) == 1
    assert all_files(store) == []


# Where a pull may go.


def test_a_redirect_on_the_same_host_is_followed(store: Store, site: Site) -> None:
    site.put("/new/zip/moved.zip", FIRST)
    site.script.append(Answer(302, headers={"Location": "/new/zip/moved.zip"}))
    receipt = pull(store, f"{site.address}{PATH}")
    assert kept(store, receipt) == FIRST
    assert (receipt.url, receipt.archive) == (f"{site.address}{PATH}", "rvu24a.zip")


def test_a_redirect_to_another_host_is_refused(store: Store, site: Site) -> None:
    elsewhere = site.put(PATH, FIRST).replace("127.0.0.1", "localhost")
    site.script.append(Answer(302, headers={"Location": elsewhere}))
    with pytest.raises(DataError, match="redirects to another host, localhost"):
        pull(store, f"{site.address}{PATH}")
    assert len(site.requests) == 1
    assert all_files(store) == []


def test_a_redirect_from_https_to_http_is_refused(store: Store, site: Site, tls_site: Site) -> None:
    tls_site.script.append(Answer(302, headers={"Location": site.put(PATH, FIRST)}))
    with pytest.raises(DataError, match="redirects"):
        pull(store, f"{tls_site.address}{PATH}")
    assert site.requests == []


def test_a_redirect_in_circles_is_a_problem_with_a_message(store: Store, site: Site) -> None:
    site.script.extend([Answer(302, headers={"Location": PATH})] * 200)
    with pytest.raises(RvuError, match="redirect"):
        pull(store, f"{site.address}{PATH}")


def test_plain_http_is_refused_without_any_request(store: Store, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", site.address)  # were anything asked, it would come by here
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UsageError, match=r"http://www\.cms\.gov/files/zip/rvu24a\.zip is not https"):
        pull(store, "http://www.cms.gov/files/zip/rvu24a.zip")
    assert site.requests == []


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.org/a.zip", "ftp://127.0.0.1/a.zip", "file:///a.zip"])
def test_only_https_or_this_very_machine_will_do(store: Store, url: str) -> None:
    with pytest.raises(UsageError, match="is not https"):
        pull(store, url)


def test_a_release_without_a_url_says_why_and_how_to_give_the_file(store: Store) -> None:
    with pytest.raises(UsageError, match=rf"(?s){LABEL} has no archive URL.*CMS withdrew it.*rvu run {LABEL} --from"):
        pull_release(store, release(), backoff=0.01)


# Names.


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.cms.gov/files/zip/rvu24a.zip", "rvu24a.zip"),
        (
            "https://www.cms.gov/files/zip/rvu24a-updated-04/01/2024.zip",
            "rvu24a-updated-04-01-2024.zip",
        ),
        ("https://www.cms.gov/medicare/physicianfeesched/downloads/rvu03_a.zip?agree=yes", "rvu03_a.zip"),
        ("https://www.cms.gov/files/zip/rvu24a%20(1).zip", "rvu24a (1).zip"),
    ],
)
def test_an_archive_is_named_after_its_url(url: str, name: str) -> None:
    assert archive_name(url) == name


def test_an_archive_with_slashes_in_its_name_is_kept_in_one_folder(store: Store, site: Site) -> None:
    receipt = pull(store, site.put("/files/zip/rvu24a-updated-04/01/2024.zip", FIRST))
    assert store.archive_path(receipt).name == "rvu24a-updated-04-01-2024.zip"
    assert kept(store, receipt) == FIRST


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("/.%-\\")) | st.from_regex(r"(%2[EeFf]|[./]){1,8}"))
@settings(deadline=None)
def test_an_archive_name_is_a_plain_file_name_or_refused(name: str) -> None:
    try:
        found = archive_name(f"https://www.cms.gov/files/zip/{name}")
    except UsageError as problem:
        assert "cannot be the name of an archive" in str(problem)
    else:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._()+ -]*", found)


@pytest.mark.parametrize(
    "name", ["", "..", "%2e%2e%2fpasswd", "~.zip", "rvu24a\x1b[2J.zip", "rvu24a[red].zip", "%00.zip"]
)
def test_an_archive_of_a_name_that_could_lead_astray_is_never_asked_for(store: Store, site: Site, name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be the name of an archive|is no URL"):
        pull(store, f"{site.address}/files/zip/{name}")
    assert site.requests == []


def test_a_url_with_a_password_is_refused_and_not_repeated(store: Store, site: Site) -> None:
    url = site.put(PATH, FIRST).replace("://", "://someone:secret@")
    with pytest.raises(UsageError, match=r"rvu24a\.zip.* holds an @.*correct `archives`") as error:
        pull(store, url)
    assert "secret" not in str(error.value)
    assert site.requests == []


# The licence.


@pytest.fixture
def nobody_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVU_ACCEPT_LICENSE", raising=False)


@pytest.mark.usefixtures("nobody_accepted")
def test_without_acceptance_the_licence_is_shown(store: Store) -> None:
    with pytest.raises(MachineError) as problem:
        require_license(store, accept=False)
    assert str(problem.value) == LICENSE_NOTICE
    assert not store.license_record.exists()


@pytest.mark.usefixtures("nobody_accepted")
def test_only_the_declared_value_of_the_variable_accepts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_ACCEPT_LICENSE", "0")
    with pytest.raises(MachineError):
        require_license(store, accept=False)


@pytest.mark.usefixtures("nobody_accepted")
@pytest.mark.parametrize("by_variable", [True, False])
def test_acceptance_is_recorded_once_and_suffices_later(
    store: Store, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    with monkeypatch.context() as now:
        if by_variable:
            now.setenv("RVU_ACCEPT_LICENSE", "1")
        require_license(store, accept=not by_variable)
    record = (store.home / "raw" / "license.json").read_text("utf-8")
    assert json.loads(record)["notice"] == LICENSE_NOTICE
    assert datetime.fromisoformat(json.loads(record)["accepted_at"]) <= datetime.now(UTC)
    require_license(store, accept=False)
    require_license(store, accept=True)
    assert store.license_record.read_text("utf-8") == record


@pytest.mark.usefixtures("nobody_accepted")
def test_a_user_without_a_name_can_accept_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often run under a number that /etc/passwd does not know."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654_321)
    require_license(store, accept=True)
    assert store.license_record.exists()


@pytest.mark.usefixtures("nobody_accepted")
def test_an_acceptance_that_cannot_be_recorded_says_why(store: Store) -> None:
    store.home.write_text("a file where a folder should be", "utf-8")
    with pytest.raises(MachineError, match="While recording the acceptance of the licence"):
        require_license(store, accept=True)


# Archives that lie on this machine.


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "rvu24a"
    (folder / "docs").mkdir(parents=True)
    (folder / "PPRRVU24.csv").write_bytes(b"HCPCS\nG0411\n")
    (folder / "docs" / "RVU24A.pdf").write_bytes(b"%PDF")
    return folder


def test_a_zip_on_this_machine_is_kept_as_it_is(store: Store, tmp_path: Path) -> None:
    (tmp_path / "rvu24a.zip").write_bytes(FIRST)
    receipt = take_local(store, release(), tmp_path / "rvu24a.zip", is_sample=True)
    assert kept(store, receipt) == FIRST
    assert (receipt.archive, receipt.bytes, receipt.url) == ("rvu24a.zip", len(FIRST), None)
    assert (receipt.source, receipt.is_sample) == (str(tmp_path / "rvu24a.zip"), True)
    assert store.receipts(LABEL) == [receipt]
    assert (tmp_path / "rvu24a.zip").read_bytes() == FIRST


def test_the_same_zip_twice_is_kept_once(store: Store, tmp_path: Path) -> None:
    (tmp_path / "rvu24a.zip").write_bytes(FIRST)
    (tmp_path / "copy.zip").write_bytes(FIRST)
    first = take_local(store, release(), tmp_path / "rvu24a.zip")
    assert take_local(store, release(), tmp_path / "copy.zip") == first
    assert sorted(path.name for path in all_files(store)) == ["receipt.json", "rvu24a.zip"]


def test_a_folder_of_members_is_packed_with_its_subfolders(store: Store, unpacked: Path) -> None:
    receipt = take_local(store, release(), unpacked)
    assert receipt.archive == "rvu24a.zip"
    with zipfile.ZipFile(store.archive_path(receipt)) as archive:
        assert archive.namelist() == ["PPRRVU24.csv", "docs/RVU24A.pdf"]
        assert archive.read("PPRRVU24.csv") == b"HCPCS\nG0411\n"


def test_the_same_folder_twice_is_the_same_archive(store: Store, unpacked: Path) -> None:
    first = take_local(store, release(), unpacked)
    os.utime(unpacked / "PPRRVU24.csv", (0, 0))
    assert take_local(store, release(), unpacked) == first
    assert len(store.receipts(LABEL)) == 1


def test_the_current_folder_has_a_name_too(store: Store, unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(unpacked)
    assert take_local(store, release(), Path()).archive == "rvu24a.zip"


def test_a_local_file_that_is_no_zip_is_refused_and_not_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "rvu24a.zip").write_bytes(WEB_PAGE)
    with pytest.raises(DataError, match=r"rvu24a\.zip is a web page"):
        take_local(store, release(), tmp_path / "rvu24a.zip")
    assert all_files(store) == []
    assert (tmp_path / "rvu24a.zip").exists()


def test_a_local_file_that_does_not_exist_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"While keeping .*absent\.zip: No such file"):
        take_local(store, release(), tmp_path / "absent.zip")
    assert all_files(store) == []


def test_colleagues_may_read_an_archive_taken_from_this_machine(store: Store, unpacked: Path) -> None:
    plain = unpacked / "PPRRVU24.csv"
    receipt = take_local(store, release(), unpacked)
    assert store.archive_path(receipt).stat().st_mode == plain.stat().st_mode
