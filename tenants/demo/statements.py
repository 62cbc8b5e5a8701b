"""Sample statements for the demonstration: what Atelier Rivage's banks would send this week.

Pure: made from the same seed and day as the books, so that a newcomer meets new rows, twins and rows to compare.
"""

import csv
import io
from datetime import date, timedelta
from random import Random

from tenants.demo.company import STATEMENT_DAYS, DemoEntry, story
from tenants.money.imports.rules import NEAR
from tenants.money.imports.samples import Sample

DAYS = STATEMENT_DAYS
ROWS = 36


_SHOPS = (
    ("CARTE GAZOLE STATION AVIA", 3_900, 9_800),
    ("TELEPEAGE SANEF", 320, 2_150),
    ("CARTE REPAS BRASSERIE DU MARCHE", 1_300, 4_600),
    ("PRLV FOURNITURES REXEL", 4_200, 51_000),
    ("CARTE VISSERIE WURTH FRANCE", 1_400, 19_000),
    ("CARTE PARKING GARE", 220, 1_300),
)


def samples(seed: int, today: date) -> tuple[Sample, ...]:
    """Return the sample statements up to `today`."""
    books = [entry for month in story(seed, today) for entry in month]
    return (
        Sample("releve-compte-courant.csv", "512100", _french_csv(Random(seed + 1), books, today)),  # noqa: S311
        Sample("dollar-account.ofx", "512300", _ofx(Random(seed + 2), books, today)),  # noqa: S311
        Sample("reserve.sta", "512200", _mt940(today)),
    )


def _french(minor: int) -> str:
    return f"{minor // 100:,}".replace(",", "\u202f") + f",{minor % 100:02d}"


def _drawn(random: Random, low: int, high: int, booked: set[int]) -> int:
    """Draw an amount that no entry of the time has, so that every row is new."""
    while (minor := random.randint(low, high)) in booked:
        pass
    return minor


def _french_csv(random: Random, books: list[DemoEntry], today: date) -> bytes:
    """Write a French bank's CSV: lines before the header, debit and credit columns, a total, one pair of twins."""
    recent = [entry for entry in books if entry.day >= today - timedelta(days=DAYS) - NEAR]
    booked = {abs(line.minor) for entry in recent for line in entry.lines}
    rows: list[tuple[date, str, int]] = []
    for _ in range(ROWS):
        text, low, high = random.choice(_SHOPS)
        day = today - timedelta(days=random.randint(0, DAYS))
        rows.append((day, f"{text} {random.randint(1000, 9999)}", -_drawn(random, low, high, booked)))
    for invoice in range(4):
        day = today - timedelta(days=random.randint(0, DAYS))
        rows.append(
            (
                day,
                f"VIR SEPA RECU /DE HOTEL DES DUNES /MOTIF F{today:%y%m}-90{invoice}",
                _drawn(random, 60_000, 240_000, booked),
            )
        )
    twin = (today - timedelta(days=3), "CARTE BOULANGERIE LEMAIRE", -_drawn(random, 690, 1_290, booked))
    rows = sorted([*rows, twin, twin], key=lambda row: row[0], reverse=True)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(["Compte courant n° 0500013M026", "", "", "", ""])
    writer.writerow(["", "", "", "", ""])
    writer.writerow(["Date", "Date valeur", "Libellé", "Débit euros", "Crédit euros"])
    for day, text, minor in rows:
        debit, credit = (_french(-minor), "") if minor < 0 else ("", _french(minor))
        writer.writerow([f"{day:%d/%m/%Y}", f"{day:%d/%m/%Y}", text, debit, credit])
    debits = sum(-row[2] for row in rows if row[2] < 0)
    credits_ = sum(row[2] for row in rows if row[2] > 0)
    writer.writerow(["", "", "TOTAL", _french(debits), _french(credits_)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _ofx(random: Random, books: list[DemoEntry], today: date) -> bytes:
    """Write an OFX 1.x statement, a line for each row; two rows are already in the books, in a person's own words."""
    known = [entry for entry in books if entry.lines[0].account == "dollars"][-2:]
    blocks = [
        _transaction(f"K{number}", entry.day, entry.lines[0].minor, entry.counterparty, f"POS {entry.day:%m%d} NET 30")
        for number, entry in enumerate(known)
    ]
    for number in range(6):
        day = today - timedelta(days=random.randint(0, DAYS))
        minor = -random.randint(2_000, 24_000)
        blocks.append(_transaction(f"N{number}", day, minor, "Grainger Industrial", "CARD GRAINGER 0412"))
    head = (
        "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\n"
        "OLDFILEUID:NONE\nNEWFILEUID:NONE\n\n"
    )
    body = (
        "<OFX><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>USD"
        "<BANKACCTFROM><BANKID>026009593<ACCTID>US-4471-0093<ACCTTYPE>CHECKING</BANKACCTFROM>"
        f"<BANKTRANLIST><DTSTART>{today - timedelta(days=DAYS):%Y%m%d}<DTEND>{today:%Y%m%d}\n{''.join(blocks)}"
        "</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>\n"
    )
    return (head + body).encode("cp1252")


def _transaction(key: str, day: date, minor: int, name: str, memo: str) -> str:
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    kind = "DEBIT" if sign else "CREDIT"
    return (
        f"<STMTTRN><TRNTYPE>{kind}<DTPOSTED>{day:%Y%m%d}<TRNAMT>{sign}{minor // 100}.{minor % 100:02d}"
        f"<FITID>{day:%Y%m%d}{key}<NAME>{name}<MEMO>{memo}</STMTTRN>\n"
    )


def _mt940(today: date) -> bytes:
    """Write an MT940 message of the reserve account: one transfer in, one interest payment."""
    day = today - timedelta(days=2)
    lines = (
        f":20:RES{today:%y%m%d}",
        ":25:FR7630006000011234567890189",
        ":28C:00047/001",
        f":60F:C{day:%y%m%d}EUR21430,50",
        f":61:{day:%y%m%d}{day:%m%d}C750,00NTRFNONREF//RES{day:%y%m%d}01",
        ":86:VIREMENT DE COMPTE COURANT",
        f":61:{day:%y%m%d}{day:%m%d}C12,40NINTNONREF//RES{day:%y%m%d}02",
        ":86:INTERETS CREDITEURS",
        f":62F:C{today:%y%m%d}EUR22192,90",
        "-",
    )
    return ("\r\n".join(lines) + "\r\n").encode("ascii")
