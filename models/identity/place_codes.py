"""Codes of countries (ISO 3166-1) and of the states and provinces of the USA, Canada and Australia, by name.

Names are in folded form, several to a line after the code, with "|" between. They are the common English ones, and
what people of the larger countries call their own.
"""

_COUNTRIES = """
AD AND andorra
AE ARE united arab emirates|uae|u a e|emirates
AF AFG afghanistan
AG ATG antigua and barbuda|antigua
AI AIA anguilla
AL ALB albania
AM ARM armenia
AO AGO angola
AQ ATA antarctica
AR ARG argentina
AS ASM american samoa
AT AUT austria|osterreich|oesterreich
AU AUS australia
AW ABW aruba
AX ALA aland islands|aland
AZ AZE azerbaijan
BA BIH bosnia and herzegovina|bosnia
BB BRB barbados
BD BGD bangladesh
BE BEL belgium|belgie|belgique|belgien
BF BFA burkina faso
BG BGR bulgaria
BH BHR bahrain
BI BDI burundi
BJ BEN benin
BL BLM saint barthelemy|st barthelemy
BM BMU bermuda
BN BRN brunei|brunei darussalam
BO BOL bolivia
BQ BES bonaire
BR BRA brazil|brasil
BS BHS bahamas|the bahamas
BT BTN bhutan
BV BVT bouvet island
BW BWA botswana
BY BLR belarus
BZ BLZ belize
CA CAN canada
CC CCK cocos islands
CD COD democratic republic of the congo|dr congo|drc|congo kinshasa|zaire
CF CAF central african republic
CG COG congo|republic of the congo|congo brazzaville
CH CHE switzerland|schweiz|suisse|svizzera
CI CIV cote divoire|ivory coast
CK COK cook islands
CL CHL chile
CM CMR cameroon
CN CHN china|peoples republic of china|prc|mainland china|zhongguo
CO COL colombia
CR CRI costa rica
CU CUB cuba
CV CPV cape verde|cabo verde
CW CUW curacao
CX CXR christmas island
CY CYP cyprus
CZ CZE czechia|czech republic|cesko|ceska republika
DE DEU germany|deutschland|federal republic of germany|allemagne|alemania|ger
DJ DJI djibouti
DK DNK denmark|danmark
DM DMA dominica
DO DOM dominican republic|republica dominicana
DZ DZA algeria|algerie
EC ECU ecuador
EE EST estonia|eesti
EG EGY egypt
EH ESH western sahara
ER ERI eritrea
ES ESP spain|espana|espagne|spanien
ET ETH ethiopia
FI FIN finland|suomi
FJ FJI fiji
FK FLK falkland islands
FM FSM micronesia
FO FRO faroe islands
FR FRA france|frankreich|francia
GA GAB gabon
GB GBR united kingdom|uk|u k|great britain|britain|england|scotland|wales|northern ireland
GD GRD grenada
GE GEO georgia
GF GUF french guiana
GG GGY guernsey
GH GHA ghana
GI GIB gibraltar
GL GRL greenland
GM GMB gambia|the gambia
GN GIN guinea
GP GLP guadeloupe
GQ GNQ equatorial guinea
GR GRC greece|hellas
GS SGS south georgia
GT GTM guatemala
GU GUM guam
GW GNB guinea bissau
GY GUY guyana
HK HKG hong kong|hong kong sar
HM HMD heard island
HN HND honduras
HR HRV croatia|hrvatska
HT HTI haiti
HU HUN hungary|magyarorszag
ID IDN indonesia
IE IRL ireland|republic of ireland|eire
IL ISR israel
IM IMN isle of man
IN IND india|bharat
IO IOT british indian ocean territory
IQ IRQ iraq
IR IRN iran|islamic republic of iran
IS ISL iceland
IT ITA italy|italia|italie|italien
JE JEY jersey
JM JAM jamaica
JO JOR jordan
JP JPN japan|nippon|nihon
KE KEN kenya
KG KGZ kyrgyzstan
KH KHM cambodia
KI KIR kiribati
KM COM comoros
KN KNA saint kitts and nevis|st kitts and nevis
KP PRK north korea|dprk
KR KOR south korea|korea|republic of korea|korea republic of|hanguk
KW KWT kuwait
KY CYM cayman islands
KZ KAZ kazakhstan
LA LAO laos
LB LBN lebanon
LC LCA saint lucia|st lucia
LI LIE liechtenstein|lichtenstein
LK LKA sri lanka
LR LBR liberia
LS LSO lesotho
LT LTU lithuania|lietuva
LU LUX luxembourg|luxemburg
LV LVA latvia|latvija
LY LBY libya
MA MAR morocco|maroc
MC MCO monaco
MD MDA moldova
ME MNE montenegro
MF MAF saint martin|st martin
MG MDG madagascar
MH MHL marshall islands
MK MKD north macedonia|macedonia
ML MLI mali
MM MMR myanmar|burma
MN MNG mongolia
MO MAC macao|macau
MP MNP northern mariana islands
MQ MTQ martinique
MR MRT mauritania
MS MSR montserrat
MT MLT malta
MU MUS mauritius
MV MDV maldives
MW MWI malawi
MX MEX mexico|mejico
MY MYS malaysia
MZ MOZ mozambique
NA NAM namibia
NC NCL new caledonia
NE NER niger
NF NFK norfolk island
NG NGA nigeria
NI NIC nicaragua
NL NLD netherlands|the netherlands|holland|nederland|niederlande|pays bas
NO NOR norway|norge
NP NPL nepal
NR NRU nauru
NU NIU niue
NZ NZL new zealand|aotearoa
OM OMN oman
PA PAN panama
PE PER peru
PF PYF french polynesia
PG PNG papua new guinea
PH PHL philippines|the philippines|pilipinas
PK PAK pakistan
PL POL poland|polska|polen|pologne
PM SPM saint pierre and miquelon
PN PCN pitcairn
PR PRI puerto rico
PS PSE palestine|state of palestine
PT PRT portugal
PW PLW palau
PY PRY paraguay
QA QAT qatar
RE REU reunion
RO ROU romania
RS SRB serbia|srbija
RU RUS russia|russian federation|rossiya
RW RWA rwanda
SA SAU saudi arabia|kingdom of saudi arabia|ksa
SB SLB solomon islands
SC SYC seychelles
SD SDN sudan
SE SWE sweden|sverige|schweden
SG SGP singapore
SH SHN saint helena|st helena
SI SVN slovenia|slovenija
SJ SJM svalbard
SK SVK slovakia|slovensko|slovak republic
SL SLE sierra leone
SM SMR san marino
SN SEN senegal
SO SOM somalia
SR SUR suriname
SS SSD south sudan
ST STP sao tome and principe
SV SLV el salvador
SX SXM sint maarten
SY SYR syria|syrian arab republic
SZ SWZ eswatini|swaziland
TC TCA turks and caicos islands
TD TCD chad
TF ATF french southern territories
TG TGO togo
TH THA thailand
TJ TJK tajikistan
TK TKL tokelau
TL TLS timor leste|east timor
TM TKM turkmenistan
TN TUN tunisia|tunisie
TO TON tonga
TR TUR turkey|turkiye|turkei
TT TTO trinidad and tobago|trinidad
TV TUV tuvalu
TW TWN taiwan|republic of china|taiwan province of china
TZ TZA tanzania|united republic of tanzania
UA UKR ukraine|ukraina
UG UGA uganda
UM UMI united states minor outlying islands
US USA united states|united states of america|u s a|u s|america|the united states|estados unidos|etats unis|usa usa
UY URY uruguay
UZ UZB uzbekistan
VA VAT vatican|holy see|vatican city
VC VCT saint vincent and the grenadines|st vincent
VE VEN venezuela
VG VGB british virgin islands
VI VIR us virgin islands|virgin islands
VN VNM vietnam|viet nam
VU VUT vanuatu
WF WLF wallis and futuna
WS WSM samoa
XK XKX kosovo
YE YEM yemen
YT MYT mayotte
ZA ZAF south africa|rsa
ZM ZMB zambia
ZW ZWE zimbabwe
"""

_STATES = """
al alabama|ala
ak alaska
az arizona|ariz
ar arkansas|ark
ca california|calif|cal
co colorado|colo
ct connecticut|conn
de delaware|del
dc district of columbia|washington dc|washington d c|d c
fl florida|fla
ga georgia
hi hawaii
id idaho
il illinois|ill
in indiana|ind
ia iowa
ks kansas|kans
ky kentucky
la louisiana
me maine
md maryland
ma massachusetts|mass
mi michigan|mich
mn minnesota|minn
ms mississippi|miss
mo missouri
mt montana|mont
ne nebraska|nebr|neb
nv nevada|nev
nh new hampshire|n h
nj new jersey|n j
nm new mexico|n m
ny new york|n y|new york state
nc north carolina|n c
nd north dakota|n d
oh ohio
ok oklahoma|okla
or oregon|ore
pa pennsylvania|penn|penna
pr puerto rico
ri rhode island|r i
sc south carolina|s c
sd south dakota|s d
tn tennessee|tenn
tx texas|tex
ut utah
vt vermont
va virginia
wa washington|wash|western australia|w a
wv west virginia|w va
wi wisconsin|wis|wisc
wy wyoming|wyo
as american samoa
gu guam
mp northern mariana islands
vi virgin islands|us virgin islands
ab alberta|alta
bc british columbia|b c
mb manitoba|man
nb new brunswick|n b
nl newfoundland and labrador|newfoundland|nfld
ns nova scotia|n s
nt northwest territories|northern territory|n t
nu nunavut
on ontario|ont
pe prince edward island|pei|p e i
qc quebec|que|pq
sk saskatchewan|sask
yt yukon|yukon territory
act australian capital territory|a c t
nsw new south wales|n s w
qld queensland
sa south australia|s a
tas tasmania
vic victoria
"""


def _country_codes() -> dict[str, str]:
    codes = {}
    for line in _COUNTRIES.strip().splitlines():
        two, three, names = line.split(" ", 2)
        for name in (two.lower(), three.lower(), *names.split("|")):
            codes[name] = two
    return codes


def _state_codes() -> dict[str, str]:
    codes = {}
    for line in _STATES.strip().splitlines():
        code, names = line.split(" ", 1)
        for name in (code, *names.split("|")):
            codes[name] = code
    return codes


COUNTRY_CODES = _country_codes()  # folded name, ISO 2 or ISO 3 code -> ISO 2 code in upper case
STATE_CODES = _state_codes()  # folded name or code -> postal code in lower case
# Cities known by initials, and by a longer name.
CITY_NAMES = {
    "nyc": "new york",
    "new york city": "new york",
    "la": "los angeles",
    "l a": "los angeles",
    "sf": "san francisco",
    "lv": "las vegas",
    "philly": "philadelphia",
    "washington dc": "washington",
    "washington d c": "washington",
    "dc": "washington",
}
