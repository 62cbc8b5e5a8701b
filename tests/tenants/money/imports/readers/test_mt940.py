"""MT940 and MT942 with the habits of German, Dutch and Swiss banks."""

import pytest

HEAD = ":20:X\n:25:37040044/0532013000\n:28C:1/1\n:60F:C240530EUR100,00\n"
TAIL = ":62F:C240531EUR100,00\n-\n"


def test_numbered_details_give_name_and_purpose(reads, sample):
    result = reads(sample("../more/mt942.sta"))

    assert result.recognition.format == "mt942"
    assert [(line.minor, line.counterparty, line.text) for line in result.lines] == [
        (-3000, "STADTWERKE KOELN GMBH", "Abschlag Mai Vertrag nr. 4711"),
        (-500, "MUSTER", "Retoure"),
        (750, "", ""),
    ]
    assert result.lines[0].bank_id == "BANKREF4711|2024-05-31|-3000"


def test_a_reversal_goes_the_other_way(reads):
    marks = {"C": 100, "D": -100, "RC": -100, "RD": 100, "CR": 100, "DR": -100, "RDR": 100}
    text = HEAD + "".join(f":61:2405310531{mark}1,00NMSC{mark}\n" for mark in marks) + TAIL

    assert [line.minor for line in reads(text).lines] == list(marks.values())


def test_a_booking_day_is_in_the_year_nearest_to_the_value_date(reads):
    (first, second) = reads(HEAD + ":61:2401021231C1,00NMSCx\n:61:2312310102C1,00NMSCy\n" + TAIL).lines

    assert (first.day.isoformat(), first.value_day.isoformat()) == ("2023-12-31", "2024-01-02")
    assert (second.day.isoformat(), second.value_day.isoformat()) == ("2024-01-02", "2023-12-31")


def test_interest_valued_on_the_thirtieth_of_february_is_booked(reads):
    (line,) = reads(HEAD + ":61:2302300301C1,00NMSCx\n" + TAIL).lines

    assert (line.day.isoformat(), line.value_day) == ("2023-03-01", None)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("2413310531C1,00NMSC", "no_such_day"),
        ("2404310431C1,00NMSC", "no_such_day"),
        ("2405310531C1,005NMSC", "too_precise"),
        ("2405310531X1,00NMSC", "bad_record"),
        ("", "bad_record"),
    ],
)
def test_a_wrong_entry_is_one_row_and_does_not_hide_the_next(line, code, reads):
    result = reads(HEAD + f":61:{line}\n:86:text\n:61:2405310531C2,00NMSCx\n" + TAIL)

    assert [(row.line, row.code) for row in result.wrong] == [(5, code)]
    assert [entry.minor for entry in result.lines] == [200]


def test_the_source_text_is_the_entry_with_its_details(reads, sample):
    line = reads(sample("mt940/knab.sta")).lines[1]

    assert line.raw == (
        ":61:1407290729D7260,NTRFNONREF//B4G29PGCVO7Q06US\n:86:FACTUUR 201403110, 201403113\n"
        "REK: NL65INGB0123456789/NAAM: PICQER"
    )


def test_details_of_the_whole_statement_belong_to_no_entry(reads, sample):
    lines = reads(sample("mt940/ing.sta")).lines

    assert "D000004C000002" not in lines[-1].text


def test_a_file_that_breaks_off_says_so(reads):
    result = reads(HEAD + ":61:2405310531C1,00NMSCx\n:61:2405310531C2,0")

    assert [line.minor for line in result.lines] == [100]
    assert [(row.code, row.fields["amount"]) for row in result.wrong] == [("truncated", "2.00")]
