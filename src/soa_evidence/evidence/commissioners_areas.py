"""Which part of England a commissioner lies in: thirteen areas of NHS England's local teams, 2015 to 2017.

Facts read from the Organisation Data Service's list of commissioners, as it stood between April 2015 and the
mergers of April 2017; the list also names the areas. Areas are those of administration: Bassetlaw is with
Yorkshire, Milton Keynes with the Central Midlands, Bath with South Central. No geometry is used or held.
"""

from __future__ import annotations

from collections.abc import Mapping

from soa_evidence.errors import EvidenceError

__all__ = ["AREAS", "REGIONS", "area_of"]

#: Area, its region, and the codes of its commissioners; from north to south.
_LISTED = {
    ("Cumbria and North East", "North"): "00C 00D 00J 00K 00L 00M 00N 00P 01H 13T 99C",
    ("Yorkshire and Humber", "North"): (
        "02N 02P 02Q 02R 02T 02V 02W 02X 02Y 03A 03C 03D 03E 03F 03G 03H 03J 03K 03L 03M 03N 03Q 03R"
    ),
    ("Lancashire and Greater Manchester", "North"): (
        "00Q 00R 00T 00V 00W 00X 00Y 01A 01D 01E 01G 01K 01M 01N 01W 01Y 02A 02G 02H 02M"
    ),
    ("Cheshire and Merseyside", "North"): "01C 01F 01J 01R 01T 01V 01X 02D 02E 02F 12F 99A",
    ("North Midlands", "Midlands and East"): (
        "03X 03Y 04E 04H 04J 04K 04L 04M 04N 04R 04Y 05D 05G 05N 05Q 05V 05W 05X"
    ),
    ("West Midlands", "Midlands and East"): "04X 05A 05C 05F 05H 05J 05L 05P 05R 05T 05Y 06A 06D 13P",
    ("Central Midlands", "Midlands and East"): "03T 03V 03W 04C 04D 04F 04G 04Q 04V 06F 06K 06N 06P 99D",
    ("East", "Midlands and East"): "06H 06L 06M 06Q 06T 06V 06W 06Y 07G 07H 07J 07K 99E 99F 99G",
    ("London", "London"): (
        "07L 07M 07N 07P 07Q 07R 07T 07V 07W 07X 07Y 08A 08C 08D 08E 08F 08G 08H 08J 08K 08L 08M 08N 08P 08Q "
        "08R 08T 08V 08W 08X 08Y 09A"
    ),
    ("South Central", "South"): "10G 10H 10M 10N 10Q 10T 10W 10Y 11C 11D 11E 11M 12D 99N",
    (
        "South East",
        "South",
    ): "09C 09D 09E 09F 09G 09H 09J 09L 09N 09P 09W 09X 09Y 10A 10C 10D 10E 99H 99J 99K",
    ("Wessex", "South"): "10J 10K 10L 10R 10V 10X 11A 11J 99M",
    ("South West", "South"): "11H 11N 11T 11X 12A 99P 99Q",
}
AREAS = tuple(area for area, _ in _LISTED)
REGIONS = tuple(dict.fromkeys(region for _, region in _LISTED))
_OF = {code: both for both, codes in _LISTED.items() for code in codes.split()}


def area_of(code: str, merged: Mapping[str, str]) -> tuple[str, str]:
    """Return the area and region of a commissioner, or the one that all those merged into it share.

    Parameters
    ----------
    code
        Commissioner of April 2019.
    merged
        Earlier commissioner's code to that of April 2019.

    Raises
    ------
    EvidenceError
        When the commissioner is in no area, or those merged into it were in more than one.
    """
    if code in _OF:
        return _OF[code]
    found = sorted({_OF[old] for old, new in merged.items() if new == code and old in _OF})
    if len(found) == 1:
        return found[0]
    raise EvidenceError(
        f"Commissioner {code} "
        + (f"lies in {' and '.join(area for area, _ in found)}" if found else "lies in no known area")
        + "; expected one area, of its own code or of those merged into it."
    )
