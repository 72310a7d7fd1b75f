"""Words of postal addresses and the one short form of each. All in folded form.

Street types and directions follow US Postal Service Publication 28, appendices B and C, with common British and
European ones added.
"""

_STREET_TYPES = """
aly alley allee ally
anx annex
arc arcade
ave avenue av aven avenu avn avnue
bch beach
bnd bend
blf bluff
blvd boulevard boul boulv bvd bld
br branch brnch
brg bridge brdge
brk brook
byp bypass bypas byps
cyn canyon canyn cnyn
cape cpe
cswy causeway causwa
ctr center centre cen cent centr cnter cntr
cir circle circ circl crcl crcle
clf cliff
clb club
cmn common
cor corner
crse course
ct court crt
cts courts
cv cove
crk creek
cres crescent crsent crsnt cresc
cl close clos
xing crossing crssng
xrd crossroad
curv curve
dl dale
dam dm
dv divide div dvd
dr drive driv drv
est estate
ests estates
expy expressway exp expr express expw
ext extension extn extnsn
fall falls
fry ferry frry
fld field
flds fields
flt flat flats
ford frd
frst forest forests
frg forge forg
frk fork
ft fort frt
fwy freeway freewy frway frwy
gdn garden gardn grden grdn
gdns gardens grdns
gtwy gateway gatewy gatway
gln glen
grn green
grv grove grov gro
hbr harbor harbour harb harbr
hvn haven
hts heights ht
hwy highway highwy hiway hiwy hway
hl hill
hls hills
holw hollow hllw hollows
is island islnd
jct junction jction jctn junctn
ky key
knl knoll knol
lk lake
lks lakes
lndg landing lndng
ln lane
lgt light
loop loops
mall
mnr manor
mdw meadow
mdws meadows medows
mews mws
ml mill
mls mills
mtwy motorway
mt mount mnt
mtn mountain mntain mntn mountin mtin
nck neck
orch orchard orchrd
oval ovl
pde parade
park prk
pkwy parkway parkwy pky pkway
pass
path paths
pike pikes
pne pine
pnes pines
pl place plc plce
pln plain
plz plaza plza
pt point
prt port
pr prairie prr
prom promenade
quay qy
radl radial rad radiel
ramp
rnch ranch ranches rnchs
rpd rapid
rst rest
rdg ridge rdge
riv river rvr rivr
rd road
rds roads
rte route
row
rue
run
shr shore shoar
skwy skyway
spg spring spng sprng
spgs springs spngs sprngs
spur
sq square sqr sqre squ
sta station statn stn
stra stravenue
strm stream streme
st street strt str saint
ter terrace terr tce
tpke turnpike trnpk turnpk
trce trace
trak track
trl trail trails trls
tunl tunnel tunel
ul ulica ulitsa
un union
vly valley vally vlly
via viaduct
vw view
vlg village vill villag ville villg
vis vista vist vst
walk wk
way wy
wl well
wls wells
"""

_DIRECTIONS = """
n north nth
s south sth
e east
w west
ne northeast
nw northwest
se southeast
sw southwest
"""

_ORDINALS = """
1st first
2nd second
3rd third
4th fourth
5th fifth
6th sixth
7th seventh
8th eighth
9th ninth
10th tenth
11th eleventh
12th twelfth
13th thirteenth
14th fourteenth
15th fifteenth
16th sixteenth
17th seventeenth
18th eighteenth
19th nineteenth
20th twentieth
"""

_UNITS = """
apt apartment appartment appt apmt aptmt aprt
unit
ste suite
rm room
flat
fl floor flr
bldg building bld
dept department
lot
no number num nr
ph penthouse
bsmt basement
frnt front
rear
lowr lower
uppr upper
spc space
trlr trailer
ofc office
hngr hangar
lvl level
"""


def _short_forms(*tables: str) -> dict[str, str]:
    """Each word and the first word of its line."""
    rows = [line.split() for table in tables for line in table.strip().splitlines()]
    return {word: row[0] for row in rows for word in row}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STREET_TYPES = _short_forms(_STREET_TYPES)
DIRECTIONS = _short_forms(_DIRECTIONS)
STREET_WORDS = _short_forms(_STREET_TYPES, _ORDINALS, _DIRECTIONS)
# The types that a street's name rarely holds before its end: where there is no comma, the city follows them.
_MAIN = _words("ave blvd cir ct dr hwy ln pkwy pl rd st ter way")
MAIN_STREET_TYPES = frozenset(word for word, short in STREET_TYPES.items() if short in _MAIN)
# Two words for a direction, which fold to one.
SPLIT_DIRECTIONS = frozenset(("n e", "n w", "s e", "s w"))
# Behind these a number names the road: "highway 61".
NUMBERED_ROADS = _words("highway hwy route rte road rd us sr fm interstate i state county a b")

UNITS = _short_forms(_UNITS)
# The units without a name of their own: "apt 4", "flat 4" and "4" are alike.
UNIT_DEFAULTS = _words("apt unit ste rm flat no")
# The units that need no number.
UNITS_ALONE = _words("ph penthouse bsmt basement frnt front rear lowr lower uppr upper")

# Short forms at the beginning of a city's name.
CITY_WORDS = {
    "st": "saint",
    "ste": "sainte",
    "ft": "fort",
    "mt": "mount",
    "n": "north",
    "s": "south",
    "e": "east",
    "w": "west",
}
