"""Every era's release builds from an archive that is made from its declared layouts.

These archives are declared, not real: where no bytes of CMS are at hand they prove that a layout is consistent with
the models, and nothing about what CMS printed.
"""

import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.build import Built, build_source
from pipeline.catalog import Release
from pipeline.errors import DataError
from pipeline.layouts import Layout, layouts_in_force
from pipeline.store import Receipt
from tests import test_fixed_width
from tests.shaped import RVU_ROWS, Row, render, row, with_rvus

MEMBERS = {
    "rvu": "PPRRVU{year}.{suffix}",
    "gpci": "GPCI{year}.{suffix}",
    "locality_county": "{year}LOCCO.{suffix}",
    "anesthesia": "ANES{year}.{suffix}",
    "opps_cap": "OPPSCAP.{suffix}",
}
FULLY = {
    "fully_implemented_nonfacility_pe_rvu": 9.0,
    "fully_implemented_facility_pe_rvu": 8.0,
    "fully_implemented_nonfacility_total_rvu": 10.0,
    "fully_implemented_facility_total_rvu": 9.0,
}
ERAS = [date(2003, 3, 1), date(2006, 1, 1), date(2007, 1, 1), date(2013, 1, 1), date(2015, 1, 1), date(2020, 1, 1)]


def rows_of(table: str) -> list[Row]:
    if table == "rvu":
        return [{**FULLY, **each, "conversion_factor": 37.8975} for each in RVU_ROWS]
    return [row(table, mac="10112", locality="00")]


def content(layout: Layout, year: int, rows: list[Row]) -> bytes:
    if layout.is_fixed_width:
        return test_fixed_width.render(layout, rows)
    return render(layout, rows).replace(b"2025", str(year).encode())


def declared_archive(folder: Path, effective_from: date, variant: int = 0, **kind: Any) -> Path:
    """Write the archive of a release as its layouts declare it; `variant` picks among those of one `since`."""
    year = effective_from.year
    path = folder / f"declared-{year}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for table, name in MEMBERS.items():
            layouts = layouts_in_force(table, effective_from)
            fitting = [each for each in layouts if each.is_fixed_width is kind.get("is_fixed_width", False)]
            if fitting:
                layout = fitting[min(variant, len(fitting) - 1)]
                suffix = "TXT" if layout.is_fixed_width else "csv"
                archive.writestr(name.format(year=year, suffix=suffix), content(layout, year, rows_of(table)))
    return path


def build(path: Path, effective_from: date) -> Built:
    label = f"RVU{effective_from:%y}A"
    return build_source(path, Receipt(label, path.name, "a" * 64, 1, "now"), Release(label, effective_from))


@pytest.mark.parametrize("effective_from", ERAS, ids=str)
@pytest.mark.parametrize("variant", [0, 1])
def test_every_era_builds_from_its_declared_layouts(effective_from: date, variant: int, tmp_path: Path) -> None:
    built = build(declared_archive(tmp_path, effective_from, variant), effective_from)
    assert set(built.tables) >= {"rvu", "gpci", "locality_county", "anesthesia", "opps_cap", "locality", "release"}
    assert len(built.tables["rvu"]) == len(RVU_ROWS)
    assert built.tables["conversion_factor"]["conversion_factor"].tolist() == [37.8975]


def test_rvus_in_force_of_2007_are_the_transitional_ones(tmp_path: Path) -> None:
    day = date(2007, 1, 1)
    rvu = build(declared_archive(tmp_path, day), day).tables["rvu"].set_index(["hcpcs", "modifier"])
    visit = rvu.loc[("G0002", "")]
    assert visit["nonfacility_pe_rvu"] == 1.66
    assert visit["fully_implemented_nonfacility_pe_rvu"] == 9.0
    assert rvu["opps_mp_rvu"].notna().all()


def test_before_2006_there_are_no_imaging_families_and_no_opps_columns(tmp_path: Path) -> None:
    day = date(2003, 3, 1)
    rvu = build(declared_archive(tmp_path, day), day).tables["rvu"]
    assert rvu["imaging_family"].isna().all()
    assert rvu["opps_nonfacility_pe_rvu"].isna().all()
    assert rvu["fully_implemented_nonfacility_pe_rvu"].isna().all()


def test_2013_is_read_with_one_set_of_columns_or_with_both(tmp_path: Path) -> None:
    day = date(2013, 1, 1)
    one = build(declared_archive(tmp_path, day, 0), day).tables["rvu"]
    both = build(declared_archive(tmp_path, day, 1), day).tables["rvu"]
    assert one["fully_implemented_facility_pe_rvu"].isna().all()
    assert (both["fully_implemented_facility_pe_rvu"] == 8.0).all()
    assert one["work_rvu"].tolist() == both["work_rvu"].tolist()


def test_gpci_of_2020_may_lack_the_state(tmp_path: Path) -> None:
    day = date(2020, 1, 1)
    assert build(declared_archive(tmp_path, day, 1), day).tables["gpci"]["state"].isna().all()


def test_release_with_fixed_width_members_only_builds(tmp_path: Path) -> None:
    day = date(2020, 1, 1)
    built = build(declared_archive(tmp_path, day, is_fixed_width=True), day)
    assert len(built.tables["rvu"]) == len(RVU_ROWS)
    assert built.tables["gpci"]["locality_name"].tolist() == ["INVENTED STATE"]
    assert built.tables["locality_county"]["state"].isna().all()


def test_2026_has_two_anesthesia_factors_and_an_index_without_floor(tmp_path: Path) -> None:
    day = date(2026, 1, 1)
    path = tmp_path / "declared-2026.zip"
    (rvu, *_), (gpci, *_), (anesthesia, *_) = (
        layouts_in_force(table, day) for table in ("rvu", "gpci", "anesthesia")
    )
    rows = [{**each, "pricing_indicator": "9", "conversion_factor": 33.4009} for each in RVU_ROWS]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PPRRVU2026_Jan_nonQPP.csv", render(rvu, rows))
        qpp = [{**each, "pricing_indicator": "1", "conversion_factor": 33.5675} for each in rows]
        archive.writestr("PPRRVU2026_Jan_QPP.csv", render(rvu, qpp))
        index = row("gpci", work_gpci_without_floor=0.976)
        archive.writestr("GPCI2026.csv", render(gpci, [index]).replace(b"2025", b"2026"))
        factor = row("anesthesia", qualifying_apm_anesthesia_factor=20.6)
        archive.writestr("ANES2026.csv", render(anesthesia, [factor]))
    built = build(path, day)
    assert built.tables["gpci"]["work_gpci_without_floor"].tolist() == [0.976]
    assert built.tables["anesthesia"]["qualifying_apm_anesthesia_factor"].tolist() == [20.6]
    factors = built.tables["conversion_factor"].set_index("basis")
    assert factors["national_anesthesia_factor"].to_dict() == {
        "nonqualifying_apm": 20.3178,
        "qualifying_apm": 20.3178,
    }


def test_qpp_alone_works_and_says_what_is_missing(tmp_path: Path) -> None:
    day = date(2026, 1, 1)
    rows = [{**each, "pricing_indicator": "1", "conversion_factor": 33.5675} for each in RVU_ROWS]
    path = tmp_path / "declared-2026.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PPRRVU2026_Jan_QPP.csv", render(layouts_in_force("rvu", day)[0], rows))
    built = build(path, day)
    assert built.tables["conversion_factor"]["basis"].tolist() == ["qualifying_apm"]
    told = [finding for finding in built.findings if finding.rule == "has a member for each basis"]
    assert [finding.examples for finding in told] == [("nonqualifying_apm",)]


def test_rules_not_proven_on_old_releases_are_warnings_there(tmp_path: Path) -> None:
    rows = [{**each, "conversion_factor": 37.8975} for each in RVU_ROWS]
    rows[3] |= {"nonfacility_total_rvu": 99.0}
    for day, severity in ((date(2015, 1, 1), "warning"), (date(2020, 1, 1), "error")):
        path = tmp_path / f"declared-{day.year}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            content = render(layouts_in_force("rvu", day)[0], rows).replace(b"2025", str(day.year).encode())
            archive.writestr("PPRRVU.csv", content)
        if severity == "error":
            with pytest.raises(DataError, match="rvu: total = work"):
                build(path, day)
        else:
            found = {finding.rule: finding for finding in build(path, day).findings}
            assert found["total = work + PE + MP"].severity == "warning"
            assert found["total = work + PE + MP"].reason.startswith("not proven on releases before 2020")


def test_qpp_that_lacks_a_payable_code_is_an_error(tmp_path: Path) -> None:
    day = date(2026, 1, 1)
    layout = layouts_in_force("rvu", day)[0]
    rows = [{**each, "pricing_indicator": "9", "conversion_factor": 33.4009} for each in RVU_ROWS]
    path = tmp_path / "declared-2026.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PPRRVU2026_Jan_nonQPP.csv", render(layout, rows))
        fewer = [each for each in rows if each["hcpcs"] not in ("G0002", "G0005")]
        archive.writestr("PPRRVU2026_Jan_QPP.csv", render(layout, fewer))
    with pytest.raises(DataError, match="QPP member has every payable code: 1 rows, such as G0002"):
        build(path, day)


def test_stale_sibling_is_told_and_not_used(tmp_path: Path) -> None:
    day = date(2020, 1, 1)
    path = declared_archive(tmp_path, day)
    fixed = next(each for each in layouts_in_force("rvu", day) if each.is_fixed_width)
    stale = [{**each} for each in rows_of("rvu")]
    stale[3] |= with_rvus(0.5, 1.66, 0.43, 0.1)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("PPRRVU2020.TXT", test_fixed_width.render(fixed, stale))
    built = build(path, day)
    told = [finding for finding in built.findings if finding.rule == "other formats agree with the one used"]
    assert [finding.severity for finding in told] == ["warning"]
    assert "PPRRVU2020.TXT: 0 rows missing, 0 more, 1 changed" in told[0].examples[0]
    assert "G0002 work_rvu: 0.97 or 0.5" in " ".join(told[0].examples)
    assert built.tables["rvu"].set_index(["hcpcs", "modifier"]).loc[("G0002", ""), "work_rvu"] == 0.97
