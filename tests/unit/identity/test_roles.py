"""Roles of columns: names as exports of many systems have them, values that agree or object, columns left alone."""

import pytest

from models.identity.record import ROLES
from models.identity.role_words import words
from models.identity.roles import BOTH, CONTENTS_ONLY, NAME_ONLY, ColumnSample, RoleGuess, guess_roles

GIVEN = ["Jane", "Anton", "Marie-Claire", "José", "Li", "Robert", "Aylin", "Bob"]
FAMILY = ["Doe", "O'Neill", "García Pérez", "van der Berg", "Smith Jr", "Müller", "Kowalska", "Wang"]
MONTHS = range(1, 9)
DIGESTS = [f"{i:02x}" * 32 for i in MONTHS]
VALUES = {
    "given": GIVEN,
    "family": FAMILY,
    "full": [f"{given} {family}" for given, family in zip(GIVEN, FAMILY, strict=True)],
    "initial": ["J", "A.", "M", "T", "J", "K.", "L", "B"],
    "suffix": ["Jr", "Sr", "III", "Jr.", "II", "Jr", "Sr.", "IV"],
    "prefix": ["Mr", "Mrs.", "Ms", "Dr", "Mr.", "Prof.", "Frau", "Mr"],
    "birth": [f"19{50 + 5 * i}-0{i}-1{i}" for i in MONTHS],
    "birthday": [f"0{i}/1{i}" for i in MONTHS],
    "slashes": [f"{i}/{10 + i}/{1950 + 6 * i}" for i in MONTHS],
    "recent": [f"2024-0{i}-1{i}" for i in MONTHS],
    "times": [f"2024-0{i}-1{i}T08:1{i}:00Z" for i in MONTHS],
    "birth_times": [f"19{50 + 5 * i}-0{i}-1{i} 00:00:00" for i in MONTHS],
    "year": [str(1950 + 5 * i) for i in MONTHS],
    "month": [str(i) for i in MONTHS],
    "gender": ["M", "F", "F", "M", "Female", "male", "F", "M"],
    "iso_gender": ["1", "2", "2", "1", "0", "9", "1", "2"],
    "email": [f"jane.doe{i}@example.com" for i in MONTHS],
    "phone": [f"+1 (202) 555-01{i:02}" for i in MONTHS],
    "digits_phone": [f"20255501{i:02}" for i in MONTHS],
    "street": [f"{i}2 Main Street" for i in MONTHS],
    "strasse": [f"Lange Straße {i}" for i in MONTHS],
    "street_name": ["Main Street", "Oak Ave", "Elm Road", "Hill Crescent", "Park Lane", "Main St", "Bay Drive",
    "Low Rd"],
    "number": ["12", "7a", "104", "3-5", "9", "88", "15 B", "21"],
    "unit": ["Apt 4", "Suite 200", "#12", "Unit 7", "Apt. 9B", "Flat 3", "Ste 5", "Apt 11"],
    "locality": ["Rosewood Park", "Kellys Farm", "Villa Nova", "The Willows", "North Point", "Hazeldene", "Glen",
    "Oaks"],
    "address": [f"{i}2 Main Street, Springfield, IL 6270{i}" for i in MONTHS],
    "city": ["Springfield", "St. Louis", "München", "London", "Lyon", "Springfield", "Köln", "Paris"],
    "state": ["IL", "MO", "California", "NSW", "IL", "CA", "TX", "NY"],
    "zip": ["62701", "62701-1234", "90210", "10115", "75001", "60601", "33101", "94105"],
    "uk_postcode": ["NR11 6PT", "SW1A 1AA", "M1 1AE", "B33 8TH", "NR11 6PT", "EC1A 1BB", "W1A 0AX", "CR2 6XH"],
    "country": ["US", "United States", "DE", "GB", "us", "France", "USA", "GB"],
    "ssn": [f"123-4{i}-678{i}" for i in MONTHS],
    "passport": [f"C01X0{i}4{i}7" for i in MONTHS],
    "last4": [f"{i}234" for i in MONTHS],
    "schemes": [f"SSN:12345678{i}" for i in MONTHS],
    "code": ["A-1001", "A-1002", "A-1001", "A-1003", "A-1004", "A-1005", "A-1004", "A-1006"],
    "unique": [f"A-100{i}" for i in MONTHS],
    "handle": ["jdoe", "anton_k", "mc99", "jdoe", "li.wang", "bobby7", "aylin.k", "bobby7"],
    "digest": [*DIGESTS[:6], *DIGESTS[:2]],
    "company": ["Acme Inc", "Globex LLC", "Initech", "Umbrella Corp.", "Stark Industries", "Muster GmbH",
    "Acme Inc", "Hooli"],
    "job": ["Engineer", "Sales Manager", "Teacher", "Nurse", "CEO", "Engineer", "Consultant", "Plumber"],
    "status": ["active", "active", "inactive", "pending", "active", "closed", "active", "inactive"],
    "boolean": ["true", "false", "true", "true", "false", "true", "true", "false"],
    "amount": ["12.50", "1,204.00", "3.99", "55", "18.20", "7.00", "99.95", "100"],
    "text": ["Called twice, wants an offer until May!", "Prefers e-mail; moved last year?", "See ticket 4711",
    "VIP"] * 2,
    "url": [f"https://example.com/u/{i}" for i in MONTHS],
    "word": ["gold", "silver", "gold", "bronze", "gold", "silver", "gold", "bronze"],
    "ip": [f"203.0.113.{i}" for i in MONTHS],
}  # fmt: skip


def sample(name: str, kind: str) -> ColumnSample:
    return ColumnSample(name, VALUES[kind])


def guess(name: str, kind: str, *beside: tuple[str, str]) -> RoleGuess:
    return guess_roles([sample(name, kind), *(sample(*column) for column in beside)])[0]


# What columns are called in exports of CRMs, shops, payment and mailing services, and registers.
TAKEN = {
    "given_name": [
        ("first_name", "given"), ("FirstName", "given"), ("First Name", "given"), ("fname", "given"),
        ("FNAME", "given"), ("givenName", "given"), ("PRIMARY_NAME_FIRST", "given"), ("traits.firstName", "given"),
        ("traits_first_name", "given"), ("billing_first_name", "given"), ("Shipping First Name", "given"),
        ("customer.first_name", "given"), ("First", "given"), ("forename", "given"), ("Vorname", "given"),
        ("Prénom", "given"), ("prenom_client", "given"), ("voornaam", "given"), ("Given Name", "given"),
        ("preferred_first_name", "given"), ("Nickname", "given"), ("firstname", "given"), ("First Name__c", "given"),
    ],
    "middle_name": [
        ("middle_name", "given"), ("MiddleName", "initial"), ("middle", "initial"), ("midl_name", "given"),
        ("Middle Initial", "initial"),
        ("mname", "given"), ("tussenvoegsel", "family"), ("Additional Middle Name", "given"),
    ],
    "family_name": [
        ("last_name", "family"), ("LastName", "family"), ("Last Name", "family"), ("lname", "family"),
        ("LNAME", "family"), ("surname", "family"), ("familyName", "family"), ("PRIMARY_NAME_LAST", "family"),
        ("Nachname", "family"), ("Familienname", "family"), ("Nom de famille", "family"), ("Apellidos", "family"),
        ("cognome", "family"), ("Sobrenome", "family"), ("maiden_name", "family"), ("birth_name", "family"),
        ("Billing Last Name", "family"), ("customer.last_name", "family"), ("Last", "family"),
    ],
    "full_name": [
        ("name", "full"), ("Name", "full"), ("full_name", "full"), ("FullName", "full"), ("Customer Name", "full"),
        ("Card Name", "full"), ("cardholder_name", "full"), ("Billing Name", "full"), ("Shipping Name", "full"),
        ("display_name", "full"), ("contact_name", "full"), ("PRIMARY_NAME_FULL", "full"), ("traits.name", "full"),
        ("first_and_last_name", "full"), ("account_holder_name", "full"), ("aka", "full"), ("patientName", "full"),
    ],
    "name_suffix": [("suffix", "suffix"), ("Name Suffix", "suffix"), ("generation", "suffix"),
    ("name_sufx_cd", "suffix")],
    "birth_date": [
        ("dob", "birth"), ("DOB", "slashes"), ("date_of_birth", "birth"), ("DATE_OF_BIRTH", "slashes"),
        ("Birthdate", "birth"), ("PersonBirthdate", "birth"), ("birthday", "birth"),
        ("traits.birthday", "birth_times"),
        ("Birthday", "birthday"), ("Geburtsdatum", "birth"), ("date_naissance", "slashes"),
        ("Date de naissance", "slashes"), ("fecha_nacimiento", "slashes"), ("Data di nascita", "slashes"),
        ("geboortedatum", "birth"), ("dateOfBirth", "birth"), ("birth_dt", "birth"),
        ("date of birth (customer)", "birth"),
    ],
    "birth_year": [("birth_year", "year"), ("yearOfBirth", "year"), ("YOB", "year"), ("Geburtsjahr", "year")],
    "birth_month": [("birth_month", "month"), ("dob_month", "month")],
    "birth_day": [("birth_day", "month"), ("day_of_birth", "month")],
    "gender": [
        ("gender", "gender"), ("Sex", "gender"), ("traits.gender", "gender"), ("Geschlecht", "gender"),
        ("sexe", "gender"), ("gender_code", "iso_gender"),
    ],
    "email": [
        ("email", "email"), ("Email", "email"), ("E-mail", "email"), ("E-Mail Address", "email"),
        ("email_address", "email"),
        ("Email Address", "email"), ("EMAIL_ADDRESS", "email"), ("eMail", "email"), ("traits.email", "email"),
        ("emailaddress1", "email"), ("Work email", "email"), ("E-mail 1 - Value", "email"), ("mail", "email"),
        ("correo electrónico", "email"), ("PersonEmail", "email"), ("courriel", "email"), ("user_email", "email"),
        ("login", "email"),
        ("Contact Email", "email"),
    ],
    "phone": [
        ("phone", "phone"), ("Phone Number", "phone"), ("MobilePhone", "digits_phone"), ("HomePhone", "phone"),
        ("mobilephone", "digits_phone"), ("Mobile Phone Number", "phone"), ("telephone1", "phone"), ("tel", "phone"),
        ("Telefon", "phone"), ("Handy", "digits_phone"), ("cell", "phone"), ("OtherPhone", "phone"),
        ("Default Address Phone", "phone"), ("Business Phone", "phone"), ("Phone 1 - Value", "phone"),
        ("téléphone", "digits_phone"), ("teléfono", "phone"), ("billing_phone", "phone"),
        ("SMS Phone Number", "phone"),
        ("msisdn", "digits_phone"), ("Work Phone", "phone"), ("Contact No", "phone"), ("day_phone", "phone"),
    ],
    "street_address": [
        ("MailingStreet", "street"), ("OtherStreet", "street"), ("Street Address", "street"), ("address_1", "street"),
        ("Address Line 1", "street"), ("Default Address Address1", "street"), ("Card Address Line1", "street"),
        ("address1_line1", "street"), ("Straße", "strasse"), ("Strasse und Hausnummer", "strasse"),
        ("addr_line1", "street"), ("street", "street"), ("address", "street"), ("Billing Address1", "street"),
        ("traits.address.street", "street"), ("home_address", "street"), ("address2", "locality"), ("rue", "street"),
    ],
    "full_address": [
        ("address", "address"), ("ADDR_FULL", "address"), ("full_address", "address"), ("Adresse", "address"),
        ("mailing_address", "address"), ("Address 1 - Formatted", "address"), ("City State Zip", "address"),
        ("location", "address"), ("Anschrift", "address"),
    ],
    "street_number": [
        ("street_number", "number"), ("house_number", "number"), ("Hausnummer", "number"), ("houseNo", "number"),
        ("huisnummer", "number"), ("building_number", "number"), ("res_street_num", "number"),
    ],
    "street_name": [("street_name", "street_name"), ("StreetName", "street_name")],
    "unit": [
        ("unit", "unit"), ("unit_number", "unit"), ("apt", "unit"), ("Apartment", "unit"), ("suite", "unit"),
        ("address_2", "unit"), ("Address Line 2", "unit"), ("Default Address Address2", "unit"), ("apt_no", "number"),
    ],
    "city": [
        ("city", "city"), ("MailingCity", "city"), ("Card Address City", "city"), ("suburb", "city"),
        ("Town", "city"),
        ("Ort", "city"), ("Stadt", "city"), ("ville", "city"), ("ciudad", "city"), ("Default Address City", "city"),
        ("traits.address.city", "city"), ("woonplaats", "city"), ("address1_city", "city"), ("locality", "city"),
    ],
    "region": [
        ("state", "state"), ("MailingState", "state"), ("State/Region", "state"),
        ("Default Address Province Code", "state"),
        ("province", "state"), ("county", "city"), ("Bundesland", "city"), ("address1_stateorprovince", "state"),
        ("Card Address State", "state"), ("ADDR_STATE", "state"),
    ],
    "postcode": [
        ("zip", "zip"), ("zipcode", "zip"), ("ZIP Code", "zip"), ("postal_code", "zip"), ("MailingPostalCode", "zip"),
        ("Default Address Zip", "zip"), ("Card Address Zip", "zip"), ("postcode", "uk_postcode"), ("PLZ", "zip"),
        ("Postleitzahl", "zip"), ("code_postal", "zip"), ("Código postal", "zip"),
        ("traits.address.postalCode", "zip"),
        ("postcode_masked", "uk_postcode"), ("ADDR_POSTAL_CODE", "zip"), ("zip4", "zip"),
    ],
    "country": [
        ("country", "country"), ("MailingCountry", "country"), ("Country/Region", "country"), ("Land", "country"),
        ("Default Address Country Code", "country"), ("country_code", "country"), ("Card Address Country", "country"),
        ("pays", "country"), ("país", "country"),
    ],
    "birth_place": [
        ("birth_place", "city"), ("placeOfBirth", "city"), ("Geburtsort", "city"), ("lieu de naissance", "city"),
        ("birth_city", "city"), ("country_of_birth", "country"),
    ],
    "national_id": [
        ("ssn", "ssn"), ("SSN_NUMBER", "ssn"), ("social_security_number", "ssn"), ("soc_sec_id", "passport"),
        ("Social Security No.", "ssn"), ("PASSPORT_NUMBER", "passport"), ("passport_no", "passport"),
        ("DRIVERS_LICENSE_NUMBER", "passport"), ("driver_licence", "passport"), ("drivingLicenceNo", "passport"),
        ("national_id", "passport"), ("NATIONAL_ID_NUMBER", "passport"), ("tax_id", "passport"),
        ("taxId", "passport"),
        ("TIN", "ssn"), ("nino", "passport"), ("national insurance number", "passport"), ("DNI", "passport"),
        ("cpf", "passport"), ("codice fiscale", "passport"), ("identifiers", "schemes"), ("nhs_number", "passport"),
    ],
    "other_id": [
        ("customer_id", "code"), ("CustomerID", "code"), ("user_id", "code"), ("userId", "code"),
        ("account_id", "code"),
        ("AccountId", "code"), ("loyalty_card_number", "code"), ("membership_no", "code"), ("external_id", "code"),
        ("crm_id", "code"), ("anonymous_id", "code"), ("stripe_customer_id", "code"), ("context_device_id", "code"),
        ("identifiers", "code"), ("customer_ids", "code"), ("username", "handle"), ("Twitter Username", "handle"),
        ("email_sha256", "digest"), ("hashed_email", "digest"), ("account_number", "code"),
        ("Card Fingerprint", "code"),
        ("Subscriber Key", "code"), ("employee_number", "code"), ("LinkedIn URL", "handle"),
    ],
    "employer": [
        ("company", "company"), ("business_name", "company"), ("Company Name", "company"),
        ("employer", "company"), ("Default Address Company", "company"),
        ("Organization", "company"), ("organisation_name", "company"), ("Firma", "company"),
        ("traits.company.name", "company"),
        ("Account Name", "company"), ("Associated Company", "company"), ("PRIMARY_NAME_ORG", "company"),
    ],
    "occupation": [
        ("occupation", "job"), ("Job Title", "job"), ("jobTitle", "job"), ("Title", "job"), ("Beruf", "job"),
        ("profession", "job"), ("position", "job"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("role", "name", "kind"), [(role, *column) for role, columns in TAKEN.items() for column in columns]
)
def test_names_and_contents(role: str, name: str, kind: str) -> None:
    # An employer alone would be taken for the name of an organisation.
    found = guess(name, kind, ("email", "email")) if role == "employer" else guess(name, kind)
    assert found.role == role, found.reason
    assert found.reason in (BOTH, NAME_ONLY, CONTENTS_ONLY)
    assert found.certainty >= 0.6


def test_every_role_is_guessed() -> None:
    assert set(TAKEN) == set(ROLES)


IGNORED = {
    "own id": [("Id", "unique"), ("id", "code"), ("unique_id", "unique"), ("Record ID - Contact", "unique"),
               ("rec_id", "unique"), ("row_number", "unique"), ("uuid", "unique"), ("hs_object_id", "unique"),
               ("record_id", "unique")],
    "leak risk": [("cluster", "code"), ("cluster_id", "code"), ("ClusterID", "code"), ("entity_id", "code"),
                  ("true_entity", "code"), ("person_id", "code"), ("household_id", "code"), ("group", "code"),
                  ("match_id", "code"), ("MasterRecordId", "code"), ("golden_id", "code"), ("ground_truth", "code"),
                  ("subject_id", "code"), ("dedupe_group", "code"), ("family_id", "code"), ("individualId", "code")],
    "unknown meaning": [("xyz_id", "code"), ("Vault ID", "code"), ("relation_key", "code")],
    "once": [("customer_id", "unique"), ("user_id", "unique")],
    "amount": [("amount", "amount"), ("Total Spent", "amount"), ("annual_income", "amount"),
    ("Account Balance", "amount"),
               ("lifetime_revenue", "amount"), ("age", "number")],
    "free text": [("notes", "text"), ("Comments", "text"), ("Note", "text"), ("Tags", "word")],
    "another value": [("status", "status"), ("Lead Status", "status"), ("relationship_to_customer", "word"),
    ("record_type", "word"),
    ("Accepts Email Marketing", "boolean"),
                      ("IsEmailBounced", "boolean"), ("email_verified", "boolean"), ("phone_type", "word"),
                      ("OPTIN_IP", "ip"),
                      ("IP City", "city"), ("MailingLatitude", "amount"), ("PhotoUrl", "url"),
                      ("Card Exp Month", "month"),
                      ("Card Last4 Brand", "word"), ("EmailBouncedReason", "text"), ("email_domain", "word"),
                      ("context_locale", "word"), ("HasOptedOutOfEmail", "boolean")],
    "not a birth": [("created_at", "birth"), ("CreatedDate", "times"), ("Create Date", "recent"),
    ("last_login", "times"),
                    ("signup_date", "birth"), ("DATE", "slashes"), ("timestamp", "times"), ("LAST_CHANGED", "times"),
                    ("Last Activity Date", "recent"), ("received_at", "times"), ("member_since", "year"),
                    ("first_seen", "times"), ("date_of_death", "birth")],
    "event": [("order_id", "code"), ("invoice_number", "code"), ("event_id", "code"), ("transaction_id", "code")],
    "source": [("source", "word"), ("DATA_SOURCE", "word"), ("Lead Source", "word"), ("channel", "word")],
    "another person": [("mothers_maiden_name", "family"), ("emergency_contact_phone", "phone"),
    ("Contact owner", "full"),
                       ("spouse_name", "full"), ("AssistantName", "full"), ("manager_email", "email"),
                       ("OwnerId", "code"),
                       ("father_name", "full"), ("created_by_manager", "email")],
    "organisation": [("Company Phone", "phone"), ("company_address", "street"), ("Company City", "city"),
    ("vat_number", "passport"),
                     ("LEI", "passport"), ("company_id", "code"), ("EIN", "passport")],
    "document": [("PASSPORT_COUNTRY", "country"), ("DRIVERS_LICENSE_STATE", "state"),
    ("passport_issue_country", "country"),
                 ("passport_expiry_date", "recent")],
    "part of a number": [("ssn_last4", "last4"), ("last 4 of SSN", "last4")],
    "fax": [("Fax", "phone"), ("fax_number", "phone")],
    "form of address": [("Salutation", "prefix"), ("name_title", "prefix"), ("prefix", "prefix")],
    "else than a person": [("product_name", "word"), ("event name", "word"), ("device_name", "word")],
}  # fmt: skip


@pytest.mark.parametrize("column", [column for columns in IGNORED.values() for column in columns])
def test_left_alone(column: tuple[str, str]) -> None:
    found = guess(*column)
    assert found.role is None
    assert found.reason.startswith("ignored: ")


@pytest.mark.parametrize("name", [name for name, _ in IGNORED["leak risk"]])
def test_labels_of_groups_are_called_a_leak_risk(name: str) -> None:
    assert "leak risk" in guess(name, "code").reason


@pytest.mark.parametrize(
    ("name", "kind", "role"),
    [
        ("name", "company", "employer"),
        ("name", "code", None),
        ("name", "email", "email"),
        ("name", "digits_phone", None),
        ("full_name", "status", None),
        ("address", "email", "email"),
        ("address", "url", None),
        ("phone", "email", "email"),
        ("email", "phone", "phone"),
        ("email", "full", "full_name"),
        ("email", "boolean", None),
        ("phone", "recent", None),
        ("city", "zip", None),
        ("state", "status", None),
        ("gender", "city", None),
        ("dob", "times", None),
        ("dob", "city", None),
        ("dob", "year", "birth_year"),
        ("birth_year", "month", None),
        ("birth_month", "year", None),
        ("ssn", "city", None),
        ("ssn", "last4", None),
        ("zip", "city", None),
        ("postcode", "email", "email"),
        ("occupation", "amount", None),
        ("title", "prefix", None),
        ("house_number", "street_name", None),
        ("street_direction", "initial", None),
        ("country", "status", None),
        ("customer_id", "text", None),
        ("first_name", "code", None),
        ("surname", "amount", None),
    ],
)
def test_values_object(name: str, kind: str, role: str | None) -> None:
    assert guess(name, kind, ("mail", "email")).role == role


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("email", "email"),
        ("phone", "phone"),
        ("birth", "birth_date"),
        ("slashes", "birth_date"),
        ("ssn", "national_id"),
        ("uk_postcode", "postcode"),
        ("full", "full_name"),
        ("given", "given_name"),
        # These could be anything.
        ("recent", None),
        ("times", None),
        ("amount", None),
        ("zip", None),
        ("digits_phone", None),
        ("code", None),
        ("unique", None),
        ("city", None),
        ("word", None),
        ("text", None),
        ("number", None),
        ("boolean", None),
    ],
)
def test_a_name_that_says_nothing(kind: str, role: str | None) -> None:
    found = guess("field_17", kind)
    assert found.role == role
    assert found.reason == (CONTENTS_ONLY if role else found.reason)
    assert (found.certainty < 0.7) is True


def test_name_is_the_family_name_beside_a_given_name() -> None:
    assert guess("Name", "family", ("Vorname", "given")).role == "family_name"
    assert guess("Nom", "family", ("Prénom", "given")).role == "family_name"
    assert guess("Name", "full", ("Vorname", "given")).role == "full_name"
    assert guess("Name", "family", ("Vorname", "given"), ("Nachname", "family")).role == "full_name"


def test_name_is_the_given_name_beside_a_family_name() -> None:
    assert guess("Nombre", "given", ("Apellidos", "family")).role == "given_name"
    assert guess("nome", "given", ("cognome", "family")).role == "given_name"
    assert guess("name", "full", ("surname", "family")).role == "full_name"


def test_full_name_beside_its_parts_keeps_its_role() -> None:
    found = guess_roles([sample("full_name", "full"), sample("first_name", "given"), sample("surname", "family")])
    assert [guess.role for guess in found] == ["full_name", "given_name", "family_name"]


def test_a_street_is_a_street_name_beside_house_numbers() -> None:
    assert guess("address_1", "street_name", ("street_number", "number")).role == "street_name"
    assert guess("address_1", "street", ("street_number", "number")).role == "street_address"
    assert guess("address_1", "street_name").role == "street_address"


def test_several_columns_may_have_one_role() -> None:
    names = [("home_phone", "phone"), ("mobile", "digits_phone"), ("passport", "passport"), ("SSN", "ssn")]
    found = guess_roles([sample(*column) for column in names])
    assert [guess.role for guess in found] == ["phone", "phone", "national_id", "national_id"]


def test_organisations_by_themselves_have_full_names() -> None:
    found = guess("company_name", "company", ("city", "city"))
    assert found.role == "full_name"
    assert "organisations" in found.reason
    assert guess("company_name", "company", ("name", "full")).role == "employer"
    assert guess("company_name", "company", ("email", "email")).role == "employer"


def test_a_column_without_values_is_ignored() -> None:
    assert guess_roles([ColumnSample("email", [], 0.0)]) == [RoleGuess("email", None, 1.0, "ignored: no values")]


def test_distinct_values_of_the_whole_column_decide_over_the_sample() -> None:
    values = VALUES["unique"]
    assert guess_roles([ColumnSample("user_id", values, 1.0, 0.9)])[0].role == "other_id"
    assert guess_roles([ColumnSample("user_id", values, 1.0, 1.0)])[0].role is None


def test_guesses_are_in_the_order_of_the_columns() -> None:
    names = ["zip", "email", "notes"]
    found = guess_roles([sample("zip", "zip"), sample("email", "email"), sample("notes", "text")])
    assert [guess.column for guess in found] == names
    assert guess_roles([]) == []


def test_a_few_odd_values_change_nothing() -> None:
    odd = ["n/a", "???"]
    assert guess_roles([ColumnSample("email", [*VALUES["email"], *odd])])[0].role == "email"
    assert guess_roles([ColumnSample("first_name", [*GIVEN, *VALUES["code"][:2]])])[0].role == "given_name"


def test_names_in_other_scripts_are_names() -> None:
    assert guess_roles([ColumnSample("name", ["王杰", "张秀英", "刘杰"])])[0].reason == NAME_ONLY
    values = ["Александр Васильев", "فيصل صديقي", "Мария Иванова"]
    assert guess_roles([ColumnSample("name", values)])[0].reason == BOTH


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PersonMailingPostalCode", ("person", "mailing", "postcode", "code")),
        ("dateofbirth", ("birth", "date")),
        ("SSNNumber", ("national", "id", "number")),
        ("E-Mail", ("email",)),
        ("street2", ("street", "2")),
        ("Prénom", ("given",)),
        ("customerid", ("customer", "id")),
        ("zipcodes", ("zipcodes",)),
        ("", ()),
        ("___", ()),
    ],
)
def test_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected
