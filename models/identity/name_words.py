"""Words found in names that are not names: titles, suffixes, particles, ranks, and words that mean nobody.

All are in folded form (`models.identity.fold`). The lists are short on purpose: a word that is often a name itself
("Dean", "Earl", "Prince") is not a title here, since losing a name costs more than keeping a title.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Stripped from the front of a name, as long as a word is left.
TITLES = _words(
    "mr mrs ms miss mx dr doctor prof professor sir dame lord lady rev revd reverend fr hon honourable honorable "
    "capt captain cpt cmdr commander col colonel lt lieut lieutenant sgt sergeant maj gen general brig brigadier adm "
    "admiral rabbi imam sheikh sheik shaikh hajji haji hajj hadji hajah viscount viscountess baron baroness "
    "marquess marchioness countess sr sra srta senor senora senorita herr frau fraulein monsieur "
    "madame mme mlle mademoiselle signor signora dott dottssa shri smt"
) | frozenset(
    # Words joined by a hyphen count as one.
    ("rear admiral", "vice admiral", "major general", "lieutenant general", "lieutenant colonel", "maj gen", "lt gen")
)
# A whole value that is one of these names nobody.
BARE_TITLES = _words("mr mrs ms mx dr prof sir rev hon capt sgt lt col")

GENERATIONS = {
    "jr": "jr",
    "jnr": "jr",
    "sr": "sr",
    "snr": "sr",
    "ii": "ii",
    "2nd": "ii",
    "iii": "iii",
    "3rd": "iii",
    "iv": "iv",
    "4th": "iv",
}
# Read as a generation only behind a given and a family name: each is also a name or an initial by itself.
WEAK_GENERATIONS = {"junior": "jr", "senior": "sr", "v": "v", "5th": "v", "vi": "vi"}

# Degrees and honours, stripped from the end.
CREDENTIALS = _words(
    "md phd dphil edd dds dmd dvm jd llb llm llp mba cpa cfa rn lpn esq esquire obe cbe mbe kbe gcb kcb cb kcmg gcmg "
    "cmg cvo kcvo gcvo frs frse frcp frcs fsa rsa qc kc mp bart bt baronet bsc msc dsc dd dso dfc "
    "pmp ret retd usn usaf usmc"
)
# The same with dots between: M.D. folds to "m d".
DOTTED_CREDENTIALS = frozenset(("m d", "ph d", "d d s", "j d", "o b e", "c b e", "m b e", "d d", "m p", "q c", "k c"))

# Kept with the family name that they stand before.
PARTICLES = _words(
    "van von vom der den de del della delle dello dei degli di da dal dalla do dos das du la le las los el al bin "
    "ibn bint binti binte abu abd ter ten te zu zum zur af av san santa st ste saint vander vande"
)
# Two words of which the first is one of these are a family name; other particles are given names too (Van, Al).
FAMILY_PARTICLES = PARTICLES - _words("van al san la le st te santa el abu")

# Rank and place of a peer: "1st Baron Clifford of Chudleigh" is no given name.
DIGNITIES = _words(
    "baron baroness baronet bart bt duke duchess earl countess count viscount viscountess marquess marquis marchioness "
    "lord lady prince princess king queen laird"
)
# Those of them that are seldom names.
RANKS = DIGNITIES - _words("duke earl count marquis lord lady prince princess king queen laird duchess")
ORDINALS = _words(
    "1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 13th 14th 15th 16th 17th 18th 19th 20th 21st 22nd 23rd 24th "
    "first second third fourth fifth sixth seventh eighth ninth tenth"
)

# Words that stand for a name that is not known, wherever they are in it.
NOBODY_WORDS = _words(
    "unknown unk unkn null none xxx xxxx xxxxx noname anonymous anon fnu lnu nfn nln nmn nmi undefined unspecified "
    "unnamed"
)
# Whole values that mean nobody.
NOBODY = (
    NOBODY_WORDS
    | _words(
        "test testing tester na nan nil tbd tba tbc xx missing blank empty default guest dummy sample asdf asdfasdf "
        "qwerty abc abcd name firstname lastname surname fname lname customer user username nobody noone redacted "
        "withheld removed deleted"
    )
    | frozenset(
        (
            *("n a", "no name", "not known", "not available", "not applicable", "not provided", "not given"),
            *("not stated", "not specified", "no first name", "no last name", "no surname", "first name", "last name"),
            *("full name", "test test", "test user", "user test", "name unknown", "test customer", "test account"),
            *("family name", "given name", "first last", "firstname lastname", "na na", "nan nan", "xx xx"),
        )
    )
)
# There are people called Na, Nan, Guest and Sample. These are kept when written as a name is: software writes "nan".
NOBODY_UNLESS_CAPITALISED = frozenset(("na", "nan", "guest", "sample"))

# Han and Hangul family names of two characters.
DOUBLE_FAMILY_NAMES = _words(
    "欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 东方 東方 皇甫 尉迟 尉遲 公孙 公孫 慕容 "
    "令狐 司徒 夏侯 端木 长孙 長孫 남궁 황보 제갈 사공 선우 독고"
)
