"""remote: objects are written whole, conditions hold, and what fails is told without secrets."""

import sys
import traceback
from pathlib import Path

import pytest

from pipeline.errors import MachineError
from pipeline.remote import Objects, open_objects, transfer
from pipeline.store import sha256_of
from tests.object_store import KEY, SECRET, checked_credentials


def told(problem: pytest.ExceptionInfo[MachineError]) -> str:
    """Return what a user sees, and make sure that it holds nothing secret."""
    assert problem.value.exit_code == 3
    everything = "".join(traceback.format_exception(problem.value))
    assert KEY not in everything
    assert SECRET not in everything
    return str(problem.value)


def test_object_is_there_after_it_was_put_and_gone_after_it_was_removed(objects: Objects) -> None:
    objects.put("LATEST", "2026-11-23.1\n")
    objects.put("2026-11-23.1/manifest.json", "{}")
    seen = objects.seen("LATEST")
    assert seen
    assert seen.text == "2026-11-23.1\n"
    assert list(objects.listing()) == ["2026-11-23.1/manifest.json", "LATEST"]
    assert list(objects.listing("2026-11-23.1")) == ["2026-11-23.1/manifest.json"]
    assert objects.folders() == ["2026-11-23.1"]
    objects.remove(["LATEST", "never was"])
    assert objects.seen("LATEST") is None


def test_object_is_created_only_once(objects: Objects) -> None:
    assert objects.swap("claim", "mine", None)
    assert objects.swap("claim", "yours", None) is None
    assert (seen := objects.seen("claim"))
    assert seen.text == "mine"


def test_object_is_replaced_only_while_it_is_as_it_was_seen(objects: Objects) -> None:
    objects.put("LATEST", "1")
    seen = objects.seen("LATEST")
    assert (second := objects.swap("LATEST", "2", seen))
    assert objects.swap("LATEST", "3", seen) is None
    assert objects.swap("LATEST", "3", second)
    objects.remove(["LATEST"])
    assert objects.swap("LATEST", "4", second) is None


def test_write_that_is_repeated_because_its_answer_was_lost_counts_as_done(objects: Objects) -> None:
    first = objects.swap("claim", "mine", None)
    assert objects.swap("claim", "mine", None) == first
    second = objects.swap("claim", "mine still", first)
    assert objects.swap("claim", "mine still", first) == second


def test_file_arrives_as_it_was_sent(objects: Objects, tmp_path: Path) -> None:
    sent, arrived = tmp_path / "sent", tmp_path / "new" / "arrived"
    sent.write_bytes(bytes(range(256)) * 25_000)  # more than one part, were it sent in parts
    objects.put("raw (1) #%é.zip", sent)
    assert objects.copy("raw (1) #%é.zip", "copied")
    assert objects.download("copied", arrived) == sha256_of(sent) == sha256_of(arrived)
    assert list(objects.listing()) == ["copied", "raw (1) #%é.zip"]


def test_object_that_does_not_exist_is_no_problem_of_the_machine(objects: Objects, tmp_path: Path) -> None:
    assert objects.seen("nothing") is None
    assert objects.download("nothing", tmp_path / "file") is None
    assert not objects.copy("nothing", "something")
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("name", ["../other", "a/../../other", "a/./b"])
def test_name_that_leads_elsewhere_is_refused(objects: Objects, name: str) -> None:
    with pytest.raises(ValueError, match="illegal character sequence"):
        objects.put(name, "")


# What goes wrong


def test_missing_bucket_is_told(place: str) -> None:
    for use_it in (lambda it: it.seen("x"), lambda it: it.swap("x", "", None), Objects.listing, Objects.folders):
        with pytest.raises(
            MachineError, match=r"^s3://nowhere/x, while .*: there is no such bucket\. Create"
        ) as problem:
            use_it(open_objects("s3://nowhere/x"))
        assert "NoSuchBucket" in told(problem)


def test_credentials_that_are_not_accepted_are_told_without_them(s3_server: str, objects: Objects) -> None:
    for use_it in (lambda: objects.seen("x"), lambda: objects.put("x", ""), objects.listing):
        with (
            checked_credentials(s3_server),
            pytest.raises(MachineError, match="credentials are not accepted") as problem,
        ):
            use_it()
        assert "AWS_SECRET_ACCESS_KEY, AWS_REGION" in told(problem)
        assert "InvalidAccessKeyId" in told(problem)


def test_missing_credentials_are_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # a machine at Amazon would have answers
    with pytest.raises(MachineError, match=r"no credentials were found\. Set AWS_ACCESS_KEY_ID") as problem:
        open_objects(place).seen("LATEST")
    told(problem)


def test_server_that_cannot_be_reached_is_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(MachineError, match=r"cannot be reached or does not work\. Check the network and") as problem:
        open_objects(place).seen("LATEST")
    told(problem)


@pytest.mark.parametrize("endpoint", ["http://s3.example.org", "s3.example.org", "ftp://127.0.0.1"])
def test_endpoint_without_tls_is_refused_unless_the_user_allows_it(
    place: str, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(MachineError, match=r"without https:// before it\..*AWS_ALLOW_HTTP=true") as problem:
        open_objects(place)
    told(problem)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert open_objects(place).place == place


def test_installation_without_the_library_is_told_what_to_install(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(MachineError, match=r"pip install 'rvu\[objects\]'"):
        open_objects(place)


def test_problem_of_one_of_many_transfers_is_told_as_it_is() -> None:
    def work(number: int) -> None:
        if number == 3:
            raise MachineError("the third")

    with pytest.raises(MachineError, match="the third"):
        transfer("sending", work, range(100))
