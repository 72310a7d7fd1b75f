"""Names in parts: titles, suffixes, particles, orders, peers, and values that mean nobody."""

import pytest

from models.identity.normalise_name import fold_name, fold_suffix, parse_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Plain names.
        ("Robert Smith", ("robert", "", "smith", "")),
        ("Robert E. Smith", ("robert", "e", "smith", "")),
        ("J.R.R. Tolkien", ("j", "r r", "tolkien", "")),
        ("Smith", ("", "", "smith", "")),
        ("", ("", "", "", "")),
        # Titles, degrees, generations.
        ("Dr. John Q. Smith Jr.", ("john", "q", "smith", "jr")),
        ("Dr Smith", ("", "", "smith", "")),
        ("Rear-Admiral John Ingles", ("john", "", "ingles", "")),
        ("Smith Sr", ("", "", "smith", "sr")),
        ("JR Smith", ("jr", "", "smith", "")),
        ("John Smith III", ("john", "", "smith", "iii")),
        ("John Smith 2nd", ("john", "", "smith", "ii")),
        ("John Smith V", ("john", "", "smith", "v")),
        ("John Senior", ("john", "", "senior", "")),
        ("William Pitt the Younger", ("william", "", "pitt", "jr")),
        ("John Smith MD PhD", ("john", "", "smith", "")),
        ("John Smith, M.D.", ("john", "", "smith", "")),
        ("Gladys Knight", ("gladys", "", "knight", "")),
        ("Earl Warren", ("earl", "", "warren", "")),
        # The family name first.
        ("Smith, John H.", ("john", "h", "smith", "")),
        ("Smith Jr, John H.", ("john", "h", "smith", "jr")),
        ("Smith, Jr., John", ("john", "", "smith", "jr")),
        ("Smith, John, III", ("john", "", "smith", "iii")),
        ("John Smith, Jr.", ("john", "", "smith", "jr")),
        ("Smith, Dr. John", ("john", "", "smith", "")),
        ("Garcia Lopez, Juan", ("juan", "", "garcia lopez", "")),
        ("Berg, Jan van der", ("jan", "", "van der berg", "")),
        ("Gerald Balfour, Balfour", ("gerald", "", "balfour", "")),
        # Particles and compounds.
        ("Jan van der Berg", ("jan", "", "van der berg", "")),
        ("van der Berg", ("", "", "van der berg", "")),
        ("María de la Cruz", ("maria", "", "de la cruz", "")),
        ("de Souza", ("", "", "de souza", "")),
        ("Van Morrison", ("van", "", "morrison", "")),
        ("Ali bin Hassan", ("ali", "", "bin hassan", "")),
        ("Omar al-Farsi", ("omar", "", "al farsi", "")),
        ("Stan Lane-Poole", ("stan", "", "lane poole", "")),
        ("Mary-Anne Attwood", ("mary anne", "", "attwood", "")),
        ("Mary\u2010Anne Attwood", ("mary anne", "", "attwood", "")),
        ("John Mc Donald", ("john", "", "mcdonald", "")),
        ("Ellie D'Esquire", ("ellie", "", "desquire", "")),
        # Former names, remarks, nicknames.
        ("Mary Smith (née Jones)", ("mary", "", "smith", "")),
        ("Mary Smith née Jones", ("mary", "", "smith", "")),
        ("John Aspinall (1851-1937)", ("john", "", "aspinall", "")),
        ('Robert "Bob" Smith', ("robert", "bob", "smith", "")),
        # Peers.
        ("thomas clifford, 1st baron clifford of chudleigh", ("thomas", "", "clifford", "")),
        ("sir william dawes, 3rd baronet", ("william", "", "dawes", "")),
        ("ivor herbert, 1st treowen", ("ivor", "", "herbert", "")),
        ("henry, duke of gloucester", ("henry", "", "gloucester", "")),
        ("dudley 9th earl of harrington", ("dudley", "", "harrington", "")),
        ("frank willey baron barnby", ("frank", "", "willey", "")),
        ("countess of bedford", ("", "", "bedford", "")),
        ("Byron, Lord", ("", "", "byron", "")),
        # Other scripts.
        ("ВАСИЛЬЕВ, Александр Павлович", ("aleksandr", "pavlovich", "vasilev", "")),
        ("王杰", ("jie", "", "wang", "")),
        ("张秀英", ("xiuying", "", "zhang", "")),
        ("欧阳修", ("xiu", "", "ouyang", "")),
        ("김 민수", ("minsu", "", "gim", "")),
        ("王", ("", "", "wang", "")),
        # Nobody.
        ("unknown", ("", "", "", "")),
        ("N/A", ("", "", "", "")),
        ("-", ("", "", "", "")),
        ("Test User", ("", "", "", "")),
        ("NaN", ("", "", "", "")),
        ("John Unknown", ("john", "", "", "")),
        ("FNU Khan", ("", "", "khan", "")),
        ("Na Li", ("na", "", "li", "")),
        (",,", ("", "", "", "")),
        ("Mr.", ("", "", "", "")),
    ],
)
def test_full_names(text: str, expected: tuple[str, str, str, str]) -> None:
    assert tuple(parse_name(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Robert", ("robert", "")),
        ("Robert E", ("robert e", "")),
        ("Smith Sr", ("smith", "sr")),
        ("Smith, Jr.", ("smith", "jr")),
        ("Smith Junior", ("smith", "jr")),
        ("Junior", ("junior", "")),
        ("Mary V", ("mary v", "")),
        ("Dr John", ("john", "")),
        ("Smith MD", ("smith", "")),
        ("van der Berg", ("van der berg", "")),
        ("Mc Donald", ("mcdonald", "")),
        ("Lane-Poole", ("lane poole", "")),
        ("Lord", ("lord", "")),
        ("Nan", ("nan", "")),
        ("Guest", ("guest", "")),
        ("GUEST", ("", "")),
        ("nan", ("", "")),
        ("Mrs.", ("", "")),
        ("XXX", ("", "")),
        ("anonymous", ("", "")),
        ("", ("", "")),
    ],
)
def test_names_in_columns_of_their_own(text: str, expected: tuple[str, str]) -> None:
    assert tuple(fold_name(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Jr.", "jr"), ("SENIOR", "sr"), ("3rd", "iii"), ("PhD, II", "ii"), ("PhD", ""), ("", "")],
)
def test_suffixes_in_columns_of_their_own(text: str, expected: str) -> None:
    assert fold_suffix(text) == expected
