from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.content import Content, content_fingerprint, load_content
from pipeline.errors import DataError
from tests.shaped import CONTENT, ROOT, Row, frame, row

Change = Callable[[str], str]


def write(folder: Path, table: str, *rows: Row) -> None:
    """Write a content file with the given rows, or a valid one."""
    frame(table, *rows).to_csv(folder / f"{table}.csv", index=False, lineterminator="\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with small, valid content."""
    return small(tmp_path)


def small(folder: Path) -> Path:
    for table in CONTENT:
        write(folder, table)
    (folder / "words.txt").write_text("keratosis\n", "utf-8")
    return folder


def complaint(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        load_content(folder)
    return str(error.value)


def test_the_committed_content_loads() -> None:
    content = load_content(ROOT / "raw/content")

    assert len(content.codes) > 0
    assert len(content.categories) == 19
    assert set(content.synonyms["hcpcs"]) <= set(content.codes["hcpcs"])


def test_most_of_the_committed_texts_are_complete_and_none_lacks_a_synonym_or_a_specialty() -> None:
    content = load_content(ROOT / "raw/content")

    synonyms = content.synonyms["hcpcs"].value_counts()
    complete = content.codes["title"].notna() & (content.codes["hcpcs"].map(synonyms) >= 2)
    assert set(content.codes["hcpcs"]) == set(content.specialties["hcpcs"])
    assert content.codes.loc[complete, "hcpcs"].nunique() >= 3_000
    assert complete.all()


def test_small_content_loads_with_its_types(folder: Path) -> None:
    write(folder, "codes", row("codes", title=None), row("codes", hcpcs="G0001"))

    content = load_content(folder)

    assert content.codes["hcpcs"].tolist() == ["G0002", "G0001", "G0003"]
    assert content.codes["title"].isna().tolist() == [True, False, False]
    assert content.codes["authored_by"].tolist() == ["editor", "editor", "pattern"]
    assert content.abbreviations == {"inv": "invented"}
    assert content.words == {"keratosis"}
    assert content.categories["first"].isna().all()


def test_codes_keep_their_leading_zeros(folder: Path) -> None:
    write(folder, "codes", row("codes", hcpcs="00142"), row("codes"))

    assert load_content(folder).codes["hcpcs"].tolist() == ["00142", "G0002", "G0003"]


def test_the_word_na_is_text_and_not_empty(folder: Path) -> None:
    write(folder, "synonyms", row("synonyms", synonym="NA"), row("synonyms", synonym="null"))

    assert load_content(folder).synonyms["synonym"].tolist() == ["NA", "null"]


# Wrong lines: the table, the rows of its file, and what the error must say about it.
TEXT_RULE = "str_matches("
SENTENCES = "description is one or two full sentences"
WRONG = [
    ("codes", {"hcpcs": "g0002"}, "codes.hcpcs: str_matches('^[A-Z0-9]{5}\\Z')"),
    ("codes", {"hcpcs": "G002"}, "codes.hcpcs: str_matches('^[A-Z0-9]{5}\\Z')"),
    ("codes", {"hcpcs": ""}, "codes.hcpcs: str_matches('^[A-Z0-9]{5}\\Z')"),
    ("codes", {"since": "2025"}, "codes.since: str_matches("),
    ("codes", {"until": "RVU25"}, "codes.until: str_matches("),
    ("codes", {"reviewed": "May 2026"}, "codes.reviewed: str_matches("),
    ("codes", {"description": ""}, f"codes.description: {TEXT_RULE}"),
    ("codes", {"description": "Too short."}, "codes.description: str_length(40, 400)"),
    ("codes", {"description": f"A {'very ' * 80}long one."}, "codes.description: str_length(40, 400)"),
    ("codes", {"description": "There is no full stop at the end of this one"}, f"codes: {SENTENCES}"),
    ("codes", {"description": "a small letter begins what is said of it here."}, f"codes: {SENTENCES}"),
    ("codes", {"description": "Here, <b>HTML</b> makes something stand out."}, f"codes.description: {TEXT_RULE}"),
    (
        "codes",
        {"description": "Here, R&amp;D has an entity of HTML in it."},
        f"codes.description: {TEXT_RULE}",
    ),
    (
        "codes",
        {"description": "Here are  two blanks in a row, for no reason."},
        f"codes.description: {TEXT_RULE}",
    ),
    (
        "codes",
        {"description": "Here are \u201ccurly\u201d quotes around a word."},
        f"codes.description: {TEXT_RULE}",
    ),
    ("codes", {"plain_language": ""}, f"codes.plain_language: {TEXT_RULE}"),
    ("codes", {"plain_language": "x" * 121}, "codes.plain_language: str_length(4, 120)"),
    ("codes", {"plain_language": "made-up visit."}, "codes: title and plain_language are names"),
    ("codes", {"clinical_context": ""}, f"codes.clinical_context: {TEXT_RULE}"),
    ("codes", {"title": "trailing blank "}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": " leading blank"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": "caf\u00e9"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": "a\u00a0b"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": "tab\there"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": "two\nlines"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": "line break at the end\n"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"description": "Line break at the end.\n"}, f"codes.description: {TEXT_RULE}"),
    ("codes", {"title": "bell\x07"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": '=HYPERLINK("evil")'}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"title": "+1 visit"}, f"codes.title: {TEXT_RULE}"),
    ("codes", {"plain_language": "-1 visit"}, f"codes.plain_language: {TEXT_RULE}"),
    ("synonyms", {"synonym": "@SUM(A1)"}, f"synonyms.synonym: {TEXT_RULE}"),
    ("synonyms", {"synonym": ""}, f"synonyms.synonym: {TEXT_RULE}"),
    ("synonyms", {"synonym": "x"}, "synonyms.synonym: str_length(2, 80)"),
    ("synonyms", {"synonym": "line break at the end\n"}, f"synonyms.synonym: {TEXT_RULE}"),
    ("synonyms", {"hcpcs": "G0099"}, "synonyms.hcpcs: has a row in codes.csv: 1 rows, such as line 2: G0099"),
    ("specialties", {"hcpcs": "G0099"}, "specialties.hcpcs: has a row in codes.csv: 1 rows, such as line 2: G0099"),
    ("specialties", {"specialty": ""}, f"specialties.specialty: {TEXT_RULE}"),
    (
        "specialties",
        {"specialty": "family medicine"},
        "specialties.specialty: has a row in specialty_names.csv: 1 rows, such as line 2: family medicine",
    ),
    ("specialty_names", {"specialty": "x" * 61}, "specialty_names.specialty: str_length(None, 60)"),
    ("specialty_names", {"cms_specialty_code": "8"}, "specialty_names.cms_specialty_code: str_matches("),
    ("category_specialties", {"category": "Z Codes"}, "category_specialties.category: has a row in categories.csv"),
    ("category_specialties", {"specialty": "Z"}, "category_specialties.specialty: has a row in specialty_names.csv"),
    ("pattern_codes", {"pattern": "unheard of"}, "pattern_codes.pattern: has a row in patterns.csv"),
    (
        "pattern_codes",
        {"hcpcs": "G0002"},
        "pattern_codes.hcpcs: has no row in codes.csv: 1 rows, such as line 2: G0002",
    ),
    ("abbreviations", {"abbreviation": "Inv"}, "abbreviations.abbreviation: str_matches("),
    ("categories", {"category": ""}, "categories.category: str_length(1, None)"),
    ("categories", {"pattern": ""}, f"categories.pattern: {TEXT_RULE}"),
    ("categories", {"billing_note": "no sentence"}, "categories: description and billing_note are paragraphs"),
]


@pytest.mark.parametrize(("table", "changes", "said"), WRONG)
def test_a_wrong_line_is_an_error_that_names_table_rule_and_line(
    folder: Path, table: str, changes: Row, said: str
) -> None:
    write(folder, table, row(table, **changes))

    text = complaint(folder)

    assert f"The content in {folder} breaks" in text
    assert said in text
    assert "line 2" in text
    assert text.endswith("Correct these lines.")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("codes", "hcpcs, since"),
        ("pattern_codes", "hcpcs"),
        ("synonyms", "hcpcs, synonym"),
        ("specialties", "hcpcs, specialty"),
        ("categories", "category"),
    ],
)
def test_a_duplicate_is_an_error_that_names_the_key_and_both_lines(folder: Path, table: str, key: str) -> None:
    write(folder, table, row(table), row(table))

    text = complaint(folder)

    assert f"{table}: {key} is unique: 2 rows" in text
    assert "line 2" in text
    assert "line 3" in text


def test_a_synonym_in_another_case_is_a_duplicate(folder: Path) -> None:
    write(folder, "synonyms", row("synonyms"), row("synonyms", synonym="Made-Up VISIT"))

    assert "synonyms: synonym is unique within its code, whatever its case: 1 rows, such as line 3" in complaint(
        folder
    )


def test_one_synonym_may_belong_to_two_codes(folder: Path) -> None:
    write(folder, "codes", row("codes"), row("codes", hcpcs="G0001"))
    write(folder, "synonyms", row("synonyms"), row("synonyms", hcpcs="G0001"))

    assert len(load_content(folder).synonyms) == 2


def test_everything_wrong_is_reported_at_once(folder: Path) -> None:
    write(folder, "codes", row("codes", title="blank "))
    write(folder, "synonyms", row("synonyms", synonym="x"))

    text = complaint(folder)

    assert "breaks 2 rules" in text
    assert "codes.title" in text
    assert "synonyms.synonym" in text


def test_all_rows_without_their_counterpart_are_reported_at_once(folder: Path) -> None:
    write(folder, "synonyms", row("synonyms", hcpcs="G0099"))
    write(folder, "specialties", row("specialties", specialty="Alchemy"))

    assert "breaks 2 rules" in complaint(folder)


@pytest.mark.parametrize("file", [*(f"{table}.csv" for table in CONTENT), "words.txt"])
def test_a_missing_file_is_an_error_that_names_it(folder: Path, file: str) -> None:
    (folder / file).unlink()

    assert f"{folder / file} cannot be read" in complaint(folder)


@pytest.mark.parametrize(
    "header",
    ["hcpcs,name", "synonym,hcpcs", "hcpcs", "hcpcs,synonym,synonym", "Hcpcs,Synonym", ""],
)
def test_wrong_columns_are_an_error_that_names_file_expected_and_found(folder: Path, header: str) -> None:
    (folder / "synonyms.csv").write_text(f"{header}\n", "utf-8")

    text = complaint(folder)

    assert f"{folder / 'synonyms.csv'}" in text
    assert "expected the columns ['hcpcs', 'synonym'], found" in text or "cannot be read" in text


@pytest.mark.parametrize("line", ["G0002", "G0002,a visit,more", 'G0002,"never closed'])
def test_a_line_with_too_few_or_too_many_cells_is_an_error(folder: Path, line: str) -> None:
    (folder / "synonyms.csv").write_text(f"hcpcs,synonym\nG0002,made-up visit\n{line}\n", "utf-8")

    assert "synonyms" in complaint(folder)


def test_a_cell_too_many_in_every_line_is_an_error(folder: Path) -> None:
    (folder / "synonyms.csv").write_text("hcpcs,synonym\nG0002,G0002,made-up visit\n", "utf-8")

    assert "synonyms" in complaint(folder)


def test_a_file_in_another_encoding_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "synonyms.csv").write_bytes("hcpcs,synonym\nG0002,caf\u00e9\n".encode("cp1252"))

    assert f"{folder / 'synonyms.csv'} cannot be read" in complaint(folder)


def test_a_blank_line_does_not_move_the_line_numbers(folder: Path) -> None:
    (folder / "synonyms.csv").write_text("hcpcs,synonym\n\nG0002,made-up visit\n\nG0099,made-up visit\n", "utf-8")

    assert "line 5: G0099" in complaint(folder)


def test_a_byte_order_mark_is_no_part_of_the_first_column(folder: Path) -> None:
    path = folder / "synonyms.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert load_content(folder).synonyms["hcpcs"].tolist() == ["G0002"]


# Fingerprint


def test_the_fingerprint_changes_with_any_byte_and_with_a_name(folder: Path) -> None:
    changes: dict[str, Change] = {
        "a letter": lambda text: text.replace("made-up", "made-uq"),
        "a line end": lambda text: text.replace("\n", "\r\n"),
    }
    path = folder / "synonyms.csv"
    original = path.read_text("utf-8")
    seen = {content_fingerprint(folder)}
    for change in changes.values():
        path.write_text(change(original), "utf-8", newline="")
        seen.add(content_fingerprint(folder))
    path.rename(folder / "other.csv")
    seen.add(content_fingerprint(folder))

    assert len(seen) == 4


def test_equal_content_has_an_equal_fingerprint_wherever_it_lies(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = small(tmp_path_factory.mktemp("other"))

    first, second = load_content(folder), load_content(other)

    assert isinstance(first, Content)
    assert first.fingerprint == second.fingerprint == content_fingerprint(folder)
    pd.testing.assert_frame_equal(first.codes, second.codes)
