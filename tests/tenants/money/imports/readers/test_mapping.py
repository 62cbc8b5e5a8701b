"""A mapping is proposed from names and from what the columns hold, and survives as JSON."""

import json

import pytest

from tenants.money.imports.readers.mapping import Mapping, MappingError
from tenants.money.imports.readers.propose import judge_decimal, propose


@pytest.mark.parametrize(
    ("header", "row", "roles"),
    [
        ("Date|Amount|Description", "2024-01-31|1.00|x", {"date": 0, "amount": 1, "text": (2,)}),
        (
            "Transaction Date|Payee|Memo|Withdrawals|Deposits",
            "31/01/2024|a|b|1.00|",
            {"date": 0, "debit": 3, "credit": 4},
        ),
        (
            "Date opération|Libellé|Montant|Devise",
            "31/01/2024|x|1,00|EUR",
            {"date": 0, "text": (1,), "amount": 2, "currency": 3},
        ),
        (
            "Buchungstag|Wertstellung|Empfänger|Verwendungszweck|Soll|Haben",
            "31.01.2024|31.01.2024|a|b|1,00|",
            {"date": 0, "value_day": 1, "counterparty": (2,), "text": (3,), "debit": 4, "credit": 5},
        ),
        (
            "Fecha|Fecha valor|Concepto|Importe|Saldo",
            "31/01/2024|31/01/2024|x|1,00|5,00",
            {"date": 0, "value_day": 1, "text": (2,), "amount": 3, "balance": 4},
        ),
        (
            "التاريخ|البيان|مدين|دائن|الرصيد",
            "31/01/2024|شراء|1.00||5.00",
            {"date": 0, "text": (1,), "debit": 2, "credit": 3, "balance": 4},
        ),
        ("Date|Amount|Type|Description", "31/01/2024|1.00|debit|x", {"date": 0, "amount": 1, "sign": 2, "text": (3,)}),
        ("Fecha|Descripción|Cargo|Abono", "31/01/2024|x|1,00|", {"date": 0, "debit": 2, "credit": 3}),
    ],
)
def test_columns_are_proposed_by_their_names(header, row, roles):
    mapping = propose(header.split("|"), [row.split("|")])

    assert mapping is not None
    assert {role: getattr(mapping, role) for role in roles} == roles
    assert mapping.doubts == ()


def test_a_currency_in_a_name_is_taken():
    mapping = propose(["Date", "Débit euros", "Crédit euros"], [["31/01/2024", "1,00", ""]])

    assert mapping is not None
    assert mapping.fixed_currency == "EUR"


def test_a_date_that_may_be_either_is_a_doubt():
    mapping = propose(["Date", "Amount", "Text"], [["03/04/2024", "1.00", "x"]])

    assert mapping is not None
    assert mapping.doubts == ("date_order",)


@pytest.mark.parametrize(
    ("texts", "currencies", "answer"),
    [
        (["1.234,56"], ["EUR"], (",", False)),
        (["10.00", "1.234"], ["EUR"], (".", False)),
        (["1,234"], ["EUR"], (".", True)),
        (["1,234"], ["TND"], (",", False)),
        (["-850,000", "1 200,500"], ["TND"], (",", False)),
        (["1.234.567"], ["EUR"], (",", False)),
        (["12", "13"], ["EUR"], ("", False)),
        (["1.50", "1,50"], ["EUR"], (".", True)),
    ],
)
def test_the_whole_column_decides_the_decimal_sign(texts, currencies, answer):
    assert judge_decimal(texts, currencies) == answer


def test_a_table_without_a_header_is_mapped_by_what_it_holds(reads):
    result = reads("2024-01-31;-12,50;Bäckerei;EUR\n2024-02-01;100,00;Lohn;EUR\n")

    assert result.recognition.mapping.doubts == ("no_header",)
    assert [(line.minor, line.text) for line in result.lines] == [(-1250, "Bäckerei"), (10000, "Lohn")]


def test_names_in_unknown_words_are_confirmed_by_a_person(reads):
    result = reads("päivä;summa;viesti\n31.01.2024;-12,50;kahvi\n01.02.2024;3,00;x\n")

    assert "columns" in result.recognition.mapping.doubts
    assert [line.minor for line in result.lines] == [-1250, 300]


def test_a_mapping_survives_json():
    mapping = Mapping(
        date=0, debit=2, credit=3, text=(1, 4), width=5, delimiter=";", decimal=",", doubts=("date_order",)
    )

    assert Mapping.from_dict(json.loads(json.dumps(mapping.to_dict()))) == mapping


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"date": "0"}, "date"),
        ({"date": True}, "date"),
        ({"date": -1}, "date"),
        ({"date": 9, "width": 3}, "date"),
        ({"text": [1, "2"]}, "text"),
        ({"encoding": "rot13"}, "encoding"),
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": '"'}, "delimiter"),
        ({"decimal": ";"}, "decimal"),
        ({"multiplier": "1e9"}, "multiplier"),
        ({"multiplier": "0"}, "multiplier"),
        ({"header_line": 1000}, "header_line"),
        ({"date_format": "x"}, "date_format"),
        ({"flip_sign": "yes"}, "flip_sign"),
    ],
)
def test_a_mapping_that_does_not_hold_is_refused_at_its_field(values, field):
    with pytest.raises(MappingError) as caught:
        Mapping.from_dict(values)

    assert caught.value.field == field


def test_arabic_digits_and_names_are_read(reads):
    text = "التاريخ;البيان;مدين;دائن;الرصيد\n٣١/٠١/٢٠٢٤;شراء;١٢٫٥٠;;٨٧٫٥٠\n٣٠/٠١/٢٠٢٤;راتب;;١٬١٠٠٫٠٠;١٠٠٫٠٠\n"

    assert [(line.minor, line.text) for line in reads(text).lines] == [(-1250, "شراء"), (110000, "راتب")]


@pytest.mark.parametrize(
    "header", [["Date", "Montant", "Libellé"], ["Fecha", "Importe", "Concepto"], ["التاريخ", "المبلغ", "البيان"]]
)
def test_in_languages_that_write_the_day_first_there_is_no_doubt(header):
    mapping = propose(header, [["03/04/2024", "1,00", "x"]])

    assert mapping is not None
    assert (mapping.date_format, mapping.doubts) == ("%d/%m/%Y", ())
