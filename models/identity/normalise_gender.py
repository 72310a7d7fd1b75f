"""Gender as matching compares it: "f", "m", "x" (stated, and neither) or "" (not known)."""

from models.identity.fold import fold

# English, German, French, Spanish, Italian, Portuguese, Dutch, the Nordic languages, Polish, Russian, Turkish.
# "h" is French homme and Spanish hombre, "w" German weiblich, "v" Dutch vrouw, "d" German divers, "k" Nordic and
# Polish kvinna and kobieta.
_WORDS = {
    "f": "f female woman girl fem feminine lady w weiblich frau femme feminin fille mujer femenino femenina femmina "
    "femminile donna feminino feminina mulher v vrouw vrouwelijk k kvinna kvinde kvinne kobieta zenskij zhenskiy "
    "zhenskij zhenskii zhenshchina kadin",
    "m": "m male man boy masc masculine gentleman mannlich maennlich mann herr homme masculin garcon h hombre "
    "masculino maschio maschile uomo homem man mannelijk mand mies mezczyzna muzskoj muzhskoy muzhskoj muzhskoi "
    "muzhchina erkek",
    "x": "x d divers diverse nonbinary enby nb intersex other third transgender genderqueer genderfluid agender autre "
    "otro otra altro outro",
}
_CODES = {word: code for code, words in _WORDS.items() for word in words.split()} | {"non binary": "x"}


def fold_gender(text: str) -> str:
    """ "f", "m", "x" or "". Numbers give "": 1 is male in some systems and female in others."""
    return _CODES.get(fold(text), "")
