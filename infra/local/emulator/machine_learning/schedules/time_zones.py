"""The names of time zones that schedules take (those of Windows, as Azure lists them) in terms of the IANA database.

After CLDR's table of Windows zones. IANA's own names are taken, too. Not here: when a schedule fires (`triggers.py`).
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from datetime import tzinfo

_OFFSET = re.compile(r"UTC(?:([+-])(\d\d))?", re.IGNORECASE)
_TABLE = """
Dateline=Etc/GMT+12;Aleutian=America/Adak;Hawaiian=Pacific/Honolulu;Marquesas=Pacific/Marquesas;Alaskan=America/Anchorage;
Pacific Standard Time (Mexico)=America/Tijuana;Pacific=America/Los_Angeles;US Mountain=America/Phoenix;
Mountain Standard Time (Mexico)=America/Mazatlan;Mountain=America/Denver;Central America=America/Guatemala;Central=America/Chicago;
Easter Island=Pacific/Easter;Central Standard Time (Mexico)=America/Mexico_City;Canada Central=America/Regina;
SA Pacific=America/Bogota;Eastern Standard Time (Mexico)=America/Cancun;Eastern=America/New_York;Haiti=America/Port-au-Prince;
Cuba=America/Havana;US Eastern=America/Indiana/Indianapolis;Paraguay=America/Asuncion;Atlantic=America/Halifax;
Venezuela=America/Caracas;Central Brazilian=America/Cuiaba;SA Western=America/La_Paz;Pacific SA=America/Santiago;
Turks And Caicos=America/Grand_Turk;Newfoundland=America/St_Johns;Tocantins=America/Araguaina;E. South America=America/Sao_Paulo;
SA Eastern=America/Cayenne;Argentina=America/Argentina/Buenos_Aires;Greenland=America/Nuuk;Montevideo=America/Montevideo;
Saint Pierre=America/Miquelon;Bahia=America/Bahia;Mid-Atlantic=Etc/GMT+2;Azores=Atlantic/Azores;Cape Verde=Atlantic/Cape_Verde;
Morocco=Africa/Casablanca;GMT=Europe/London;Greenwich=Atlantic/Reykjavik;W. Europe=Europe/Berlin;Central Europe=Europe/Budapest;
Romance=Europe/Paris;Central European=Europe/Warsaw;W. Central Africa=Africa/Lagos;Namibia=Africa/Windhoek;Jordan=Asia/Amman;
GTB=Europe/Bucharest;Middle East=Asia/Beirut;Egypt=Africa/Cairo;E. Europe=Europe/Chisinau;Syria=Asia/Damascus;West Bank=Asia/Hebron;
South Africa=Africa/Johannesburg;FLE=Europe/Kyiv;Turkey=Europe/Istanbul;Israel=Asia/Jerusalem;Kaliningrad=Europe/Kaliningrad;
Libya=Africa/Tripoli;Arabic=Asia/Baghdad;Arab=Asia/Riyadh;Belarus=Europe/Minsk;Russian=Europe/Moscow;E. Africa=Africa/Nairobi;
Iran=Asia/Tehran;Arabian=Asia/Dubai;Astrakhan=Europe/Astrakhan;Azerbaijan=Asia/Baku;Russia Time Zone 3=Europe/Samara;
Mauritius=Indian/Mauritius;Georgian=Asia/Tbilisi;Caucasus=Asia/Yerevan;Afghanistan=Asia/Kabul;West Asia=Asia/Tashkent;
Ekaterinburg=Asia/Yekaterinburg;Pakistan=Asia/Karachi;India=Asia/Kolkata;Sri Lanka=Asia/Colombo;Nepal=Asia/Kathmandu;
Central Asia=Asia/Bishkek;Bangladesh=Asia/Dhaka;N. Central Asia=Asia/Novosibirsk;Myanmar=Asia/Yangon;SE Asia=Asia/Bangkok;
Altai=Asia/Barnaul;W. Mongolia=Asia/Hovd;North Asia=Asia/Krasnoyarsk;Tomsk=Asia/Tomsk;China=Asia/Shanghai;
North Asia East=Asia/Irkutsk;Singapore=Asia/Singapore;W. Australia=Australia/Perth;Taipei=Asia/Taipei;Ulaanbaatar=Asia/Ulaanbaatar;
North Korea=Asia/Pyongyang;Aus Central W.=Australia/Eucla;Transbaikal=Asia/Chita;Tokyo=Asia/Tokyo;Korea=Asia/Seoul;
Yakutsk=Asia/Yakutsk;Cen. Australia=Australia/Adelaide;AUS Central=Australia/Darwin;E. Australia=Australia/Brisbane;
AUS Eastern=Australia/Sydney;West Pacific=Pacific/Port_Moresby;Tasmania=Australia/Hobart;Vladivostok=Asia/Vladivostok;
Lord Howe=Australia/Lord_Howe;Bougainville=Pacific/Bougainville;Russia Time Zone 10=Asia/Srednekolymsk;Magadan=Asia/Magadan;
Norfolk=Pacific/Norfolk;Sakhalin=Asia/Sakhalin;Central Pacific=Pacific/Guadalcanal;Russia Time Zone 11=Asia/Kamchatka;
New Zealand=Pacific/Auckland;Fiji=Pacific/Fiji;Kamchatka=Asia/Kamchatka;Chatham Islands=Pacific/Chatham;Tonga=Pacific/Tongatapu;
Samoa=Pacific/Apia;Line Islands=Pacific/Kiritimati
"""
_ZONES = {name.lower(): zone for name, zone in (pair.strip().split("=") for pair in _TABLE.split(";"))}


def find(name: str) -> tzinfo | None:
    """The zone of a name, or None."""
    if match := _OFFSET.fullmatch(name):
        hours = int(match[2] or 0)
        return timezone(timedelta(hours=-hours if match[1] == "-" else hours))
    zone = _ZONES.get(name.lower()) or _ZONES.get(name.lower().removesuffix(" standard time")) or name
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
