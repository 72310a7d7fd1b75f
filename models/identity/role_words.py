"""The words of column names, in several languages, brought to a small common vocabulary. Pure.

`words("PersonMailingPostalCode")` is ("person", "mailing", "postcode"): a name is cut at its humps, digits and
punctuation, and a run-together part ("dateofbirth") is cut into known words if it consists of nothing else.
"""

import re
from functools import lru_cache
from unicodedata import combining, normalize


def word_set(text: str, separator: str | None = None) -> frozenset[str]:
    """The words of a text, by default those that white space divides."""
    return frozenset(text.split(separator))


# Common word(s) -> what it is called in column names. Words of one language that mean something else in another
# are left out or resolved by the columns beside them (models.identity.roles).
_SYNONYMS = {
    "first": "first",
    "given": "given forename forenames vorname vornamen prenom prenoms voornaam voornamen fornavn fornamn imie",
    "first name": "fname firstnm frstname givenname etunimi",
    "last": "last",
    "surname": "surname surnames familienname nachname achternaam cognome sobrenome apellido apellidos nazwisko "
    "efternamn etternavn efternavn sukunimi lastnm",
    "last name": "lname",
    "family": "family famille familia",
    "middle": "middle mid midl mdl tussenvoegsel mname",
    "initial": "initial initials",
    "name": "name names nm nom nombre nome naam navn namn nimi imya",
    "full": "full whole complete completo complet volledige voll formatted",
    "full name": "fullname",
    "suffix": "suffix sufx sfx generation",
    "maiden": "maiden geburtsname",
    "nickname": "nickname nick aka alias preferred",
    "salutation": "salutation honorific anrede prefix civilite tratamiento",
    "title": "title titel titre",
    "birth": "birth born naissance nacimiento nascita nascimento geburt geboorte urodzenia fodsel",
    "birth date": "dob dateofbirth birthday birthdate bday bdate geb geburtsdatum geburtstag geboortedatum "
    "fodselsdato fodelsedatum",
    "birth year": "yob birthyear geburtsjahr geboortejaar",
    "birth month": "mob",
    "birth place": "birthplace geburtsort geboorteplaats pob",
    "place": "place lieu lugar luogo local",
    "date": "date datum data fecha dato",
    "time": "time timestamp datetime ts",
    "year": "year yr jahr annee ano anno",
    "month": "month mon monat mois mes",
    "day": "day tag jour dia",
    "gender": "gender sex geschlecht sexe sexo sesso geslacht genero genre kjonn kon plec",
    "email": "email emails mail mails courriel correo emailaddress",
    "phone": "phone phones telephone telefon telefone telefono telefoon tel mobile cell cellphone cellular handy "
    "msisdn mobil portable movil celular gsm cellulare puhelin telefoni whatsapp sms",
    "fax": "fax telefax",
    "address": "address addresses addr adress adresse adres adresa direccion endereco indirizzo anschrift domicilio "
    "domicile residence",
    "street": "street str strasse straat rue calle via rua road ulica gate gata thoroughfare",
    "street name": "strassenname streetname",
    "street number": "hausnummer hausnr hsnr huisnummer housenumber streetnumber",
    "line": "line ln linea ligne zeile",
    "house": "house building bldg premise",
    "unit": "unit apt apartment apartmentnumber suite ste flat room floor wohnung appartement piso",
    "city": "city town suburb locality municipality village ort wohnort stadt ville ciudad citta cidade woonplaats "
    "plaats miasto kommune comune commune localidad poblacion borough",
    "postcode": "postcode zip zipcode plz postleitzahl postnummer postnr codepostal cep postal pincode eircode zcode",
    "code": "code cd codigo codice kode kod",
    "region": "state province region county prefecture bundesland canton kanton provincia provincie estado "
    "provinz oblast territory",
    "country": "country land pays pais paese nation kraj ctry",
    "nationality": "nationality citizenship",
    "employer": "employer company organisation organization org orgname firm firma unternehmen entreprise "
    "empresa azienda bedrijf workplace arbeitgeber employeur companyname societe",
    "occupation": "occupation profession job jobtitle beruf metier profesion professione beroep ocupacion position "
    "vocation",
    "id": "id identifier identity guid uuid uid oid",
    "identifiers": "ids identifiers",
    "number": "number numbers num no nr nbr numero nummer",
    "key": "key keys pk ref reference index idx seq rowid rownum",
    "national": "national citizen nationale nacional govt government civil",
    "security": "security sec",
    "social": "social soc sociale",
    "insurance": "insurance",
    "national id": "ssn nino itin tin nin nie dni curp rfc cpf bsn pesel aadhaar aadhar personnummer "
    "nhs medicare sozialversicherungsnummer steuernummer steueridnr nif nhi socsec ssnumber nationalid cnp egn jmbg",
    "passport": "passport reisepass passeport pasaporte passaporto paspoort",
    "driver": "driver drivers driving fuehrerschein rijbewijs",
    "license": "license licence licenses licences lic dl",
    "tax": "tax fiscal fiscale steuer taxpayer",
    "person": "person individual people subject human persons",
    "record": "record rec row object",
    "customer": "customer cust client kunde clt shopper buyer customers",
    "user": "user usr users",
    "account": "account acct accounts konto",
    "member": "member membership loyalty mitglied rewards",
    "contact": "contact contacts lead prospect",
    "card": "card creditcard cardholder",
    "hash": "hash hashed sha sha1 sha256 md5",
    "username": "username login screenname handle",
}
_WORDS = {word: tuple(common.split()) for common, names in _SYNONYMS.items() for word in names.split()}

# Further words that run-together names are made of.
_PLAIN = (
    "home work billing shipping mailing default primary secondary alternate other permanent current legal "
    "residential of and number type status created updated modified order total amount count source cluster "
    "entity household group device cookie anonymous visitor external patient student employee policy subscriber "
    "crm opt in out or twitter instagram linkedin facebook github tiktok snapchat telegram wechat discord youtube "
    "paypal personal private main verified valid owner manager emergency mother father spouse is has start end "
    "expiry death register stripe shopify advertising description note notes comment comments display invoice "
    "transaction session event"
)
_KNOWN = {**{word: (word,) for word in _PLAIN.split()}, **_WORDS}
_SHORT = frozenset({"of", "or", "id", "no", "in"})  # shorter parts than three letters that a run-together name may have
_CHUNKS = re.compile(r"[^\W_]+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")
_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "Ł": "L", "Ø": "O"})


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The common words of a column's name; unknown parts are kept in lower case."""
    plain = "".join(c for c in normalize("NFKD", name.translate(_LETTERS)) if not combining(c))
    plain = re.sub(r"(?i)\be[-_ ]?mail", "email", plain)
    found: list[str] = []
    for chunk in _CHUNKS.findall(plain):
        # LinkedIn is one word, its hump regardless.
        for part in (chunk,) if chunk.lower() in _KNOWN else _PARTS.findall(chunk):
            lower = part.lower()
            found += _KNOWN.get(lower) or _cut(lower) or (lower,)
    return tuple(found)


def _cut(text: str) -> tuple[str, ...]:
    """The fewest known words that make up the text, () if there are none."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(text)
    pieces = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(end):
            head, word = best[start], text[start:end]
            if head is None or word not in _KNOWN or (len(word) < 3 and word not in _SHORT):
                continue
            if best[end] is None or pieces[start] + 1 < pieces[end]:
                best[end], pieces[end] = head + _KNOWN[word], pieces[start] + 1
    return best[-1] or ()
