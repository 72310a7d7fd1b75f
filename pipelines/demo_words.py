"""Words that the demo shop is made of: names, places, telephone plans, products. Written for Onefold, compact."""

from typing import NamedTuple


class Country(NamedTuple):
    """What people of one country are called and where they live. Lists are in order of frequency."""

    code: str  # ISO 3166
    weight: int
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]  # (city, postcode pattern; # is a digit, @ a letter)
    address: str  # how street and house number go together
    calling_code: str
    mobile: str  # national number without trunk prefix; # is a digit, * a digit from 2 to 9
    landline: str
    trunk: str  # prefix of national numbers


class Phone(NamedTuple):
    """A model of telephone."""

    maker: str
    model: str
    system: str  # ios or android


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _cities(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((city.replace("_", " "), code.replace("_", " ")) for city, code in map(_pair, text.split()))


def _pair(text: str) -> tuple[str, str]:
    left, _, right = text.partition("=")
    return left, right


COUNTRIES = (
    Country(
        "US", 26,
        _words("James Mary Robert Patricia John Jennifer Michael Linda William Elizabeth David Susan Richard Jessica "
               "Joseph Sarah Thomas Karen Charles Margaret Christopher Emily Daniel Nancy Matthew Ashley Anthony "
               "Kimberly Andrew Katherine Joshua Michelle Benjamin Amanda Samuel Melissa Nicholas Rebecca Alexander "
               "Stephanie Jonathan Victoria Timothy Deborah Edward Alexandra Gregory Samantha"),
        _words("Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Wilson "
               "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez "
               "Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson "
               "Baker Hall Rivera Campbell Mitchell Carter Roberts Phillips Evans Turner Parker Collins Edwards "
               "Stewart Morris Murphy"),
        _words("Main Oak Maple Cedar Pine Washington Lake Hill Park Elm Walnut Sunset Lincoln Jackson River Church"),
        _cities("Austin=787## Denver=802## Portland=972## Columbus=432## Nashville=372## Tucson=857## Omaha=681## "
                "Raleigh=276## Boise=837## Madison=537## Richmond=232## Spokane=992##"),
        "{number} {street} St", "1", "*##55501##", "*##55501##", "",
    ),
    Country(
        "GB", 18,
        _words("Oliver Amelia George Olivia Harry Isla Jack Ava Jacob Emily Charlie Sophie Thomas Grace Oscar Lily "
               "William Ella James Charlotte Henry Alice Daniel Jessica Edward Lucy Samuel Hannah Joseph Matilda "
               "Alexander Elizabeth Benjamin Eleanor Matthew Katherine Christopher Rebecca Andrew Victoria"),
        _words("Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White "
               "Roberts Green Hall Wood Jackson Clarke Patel Khan Lewis Phillips Martin Cooper Ward Hughes Morgan "
               "Bailey Bell Murray Shaw Fletcher Begum Chapman Gibson Hussain Marsh Barker Lowe Holmes Palmer Webb"),
        _words("High Station Church Victoria Park Green London Albert Manor Chapel Mill Grange Queens Kings"),
        _cities("London=SE#_#@@ Leeds=LS#_#@@ Bristol=BS#_#@@ Sheffield=S##_#@@ Cardiff=CF#_#@@ Glasgow=G##_#@@ "
                "York=YO#_#@@ Norwich=NR#_#@@ Exeter=EX#_#@@ Derby=DE#_#@@"),
        "{number} {street} Road", "44", "7*########", "20*#######", "0",
    ),
    Country(
        "DE", 22,
        _words("Thomas Sabine Michael Susanne Andreas Petra Stefan Katharina Jürgen Monika Christian Claudia "
               "Wolfgang Renate Klaus Ursula Peter Andrea Matthias Birgit Daniel Julia Alexander Anna Sebastian Lena "
               "Johannes Marie Tobias Laura Björn Jörg Günther Käthe Maximilian Elisabeth Benjamin Christine Ulrich "
               "Franziska"),
        _words("Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer "
               "Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Werner "
               "Krause Lehmann Köhler Maier Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller "
               "Weiß Jung Hahn Schubert Vogel Friedrich Keller Günther Frank Yildiz"),
        _words("Hauptstraße Bahnhofstraße Gartenstraße Schulstraße Dorfstraße Bergstraße Lindenstraße Kirchstraße "
               "Waldstraße Ringstraße Goethestraße Schillerstraße Mühlenweg Wiesenweg"),
        _cities("Berlin=10### Hamburg=20### München=80### Köln=50### Leipzig=04### Dresden=01### Bremen=28### "
                "Hannover=30### Nürnberg=90### Stuttgart=70### Dortmund=44### Freiburg=79###"),
        "{street} {number}", "49", "17########", "30########", "0",
    ),
    Country(
        "FR", 14,
        _words("Jean Marie Pierre Nathalie Michel Isabelle Philippe Sylvie Alain Catherine Nicolas Camille Julien "
               "Léa Alexandre Chloé Thomas Manon François Hélène Sébastien Stéphanie Jérôme Céline Benoît Aurélie "
               "Étienne Zoé Maxime Élodie Frédéric Dominique Christophe Véronique Antoine Mathilde"),
        _words("Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy "
               "Roux David Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller "
               "Lefèvre Faure André Mercier Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Noël "
               "Béranger"),
        _words("Victor-Hugo Pasteur Jean-Jaurès Gambetta Voltaire Molière République Liberté Carnot Foch Lilas "
               "Écoles"),
        _cities("Paris=750## Lyon=690## Marseille=130## Toulouse=310## Nantes=440## Lille=590## Bordeaux=330## "
                "Rennes=350## Dijon=210## Grenoble=380##"),
        "{number} rue {street}", "33", "6########", "1########", "0",
    ),
    Country(
        "ES", 11,
        _words("Antonio María Manuel Carmen José Ana Francisco Isabel David Laura Juan Cristina Javier Marta Daniel "
               "Lucía Jesús Paula Carlos Elena Miguel Raquel Alejandro Beatriz Rafael Concepción Álvaro Sofía Iñigo "
               "Begoña Francisca Ignacio Dolores Enrique"),
        _words("García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Hernández Ruiz "
               "Díaz Moreno Muñoz Álvarez Romero Gutiérrez Alonso Navarro Torres Domínguez Ramos Vázquez Ramírez Gil "
               "Serrano Morales Molina Blanco Suárez Castro Ortega Delgado Ortiz Marín Rubio Núñez Iglesias"),
        _words("Mayor Real Sol Nueva Cervantes Goya Colón Velázquez Granada Sevilla Rosario Constitución"),
        _cities("Madrid=280## Barcelona=080## Valencia=460## Sevilla=410## Zaragoza=500## Málaga=290## Bilbao=480## "
                "Murcia=300## Granada=180##"),
        "Calle {street} {number}", "34", "6########", "91#######", "",
    ),
    Country(
        "PL", 9,
        _words("Anna Piotr Maria Krzysztof Katarzyna Andrzej Małgorzata Tomasz Agnieszka Paweł Barbara Jan Ewa "
               "Michał Krystyna Marcin Elżbieta Jakub Joanna Łukasz Zofia Grzegorz Magdalena Stanisław Aleksandra "
               "Wojciech Monika Zbigniew Teresa Rafał"),
        _words("Nowak Kowalczyk Wiśniewski Wójcik Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski "
               "Kozłowski Mazur Jankowski Kwiatkowski Wojciechowski Krawczyk Kaczmarek Piotrowski Grabowski Zając "
               "Pawłowski Król Michalski Wróbel Wieczorek Jabłoński Stępień Adamczyk Dudek Górski Sikora Baran Duda "
               "Szewczyk Pietrzak"),
        _words("Polna Leśna Słoneczna Krótka Szkolna Ogrodowa Lipowa Łąkowa Brzozowa Kwiatowa Kościuszki Mickiewicza"),
        _cities("Warszawa=00-### Kraków=30-### Łódź=90-### Wrocław=50-### Poznań=60-### Gdańsk=80-### Lublin=20-### "
                "Szczecin=70-###"),
        "ul. {street} {number}", "48", "5########", "22#######", "",
    ),
)  # fmt: skip

NICKNAMES: dict[str, tuple[str, ...]] = {
    name: tuple(short.split("/"))
    for name, short in map(
        _pair,
        _words(
            "James=Jim/Jimmy Robert=Bob/Rob Patricia=Pat/Patty Jennifer=Jen/Jenny Michael=Mike/Micha Linda=Lin "
            "William=Bill/Will Elizabeth=Liz/Beth David=Dave Susan=Sue Richard=Rick/Dick Jessica=Jess Joseph=Joe "
            "Thomas=Tom Margaret=Maggie/Peggy Christopher=Chris Daniel=Dan/Danny Matthew=Matt Anthony=Tony Kim=Kimmy "
            "Andrew=Andy Katherine=Kate/Kathy Joshua=Josh Michelle=Shelly Benjamin=Ben/Benny Amanda=Mandy "
            "Samuel=Sam Melissa=Mel Nicholas=Nick Rebecca=Becky Alexander=Alex/Sasha Stephanie=Steph Jonathan=Jon "
            "Victoria=Vicky/Tori Timothy=Tim Deborah=Debbie Edward=Ed/Ted Alexandra=Alex/Sandra Gregory=Greg "
            "Samantha=Sam Charles=Charlie/Chuck Oliver=Ollie Amelia=Amy Olivia=Liv George=Georgie Charlotte=Lottie "
            "Henry=Harry Eleanor=Ellie/Nell Matilda=Tilly Katharina=Kathi/Kati Andreas=Andi Stefan=Steff Wolfgang=Wolf "
            "Matthias=Matze Sebastian=Basti Johannes=Hannes/Jo Tobias=Tobi Maximilian=Max Elisabeth=Lisa/Elli "
            "Christine=Christl Christian=Chris Franziska=Franzi Ulrich=Uli Susanne=Susi Günther=Günni Nathalie=Nath "
            "Philippe=Phil Nicolas=Nico Alexandre=Alex Sébastien=Seb Frédéric=Fred Dominique=Dom Christophe=Chris "
            "Maxime=Max Mathilde=Mathou Antonio=Toni Manuel=Manolo José=Pepe Francisco=Paco Isabel=Isa Cristina=Cris "
            "Javier=Javi Jesús=Chus Alejandro=Álex Rafael=Rafa Concepción=Concha Francisca=Paqui Ignacio=Nacho "
            "Dolores=Lola Enrique=Quique Beatriz=Bea Piotr=Piotrek Krzysztof=Krzysiek Katarzyna=Kasia Małgorzata=Gosia "
            "Tomasz=Tomek Agnieszka=Aga Barbara=Basia Michał=Misiek Elżbieta=Ela Jakub=Kuba Joanna=Asia Zofia=Zosia "
            "Grzegorz=Grzesiek Magdalena=Magda Stanisław=Staszek Aleksandra=Ola Wojciech=Wojtek"
        ),
    )
}

# Reserved for documentation (RFC 2606): no address of the demo is anybody's.
EMAIL_DOMAINS = _words("mail.example inbox.example post.example webmail.example fastpost.example home.example")

CATALOGUE: tuple[tuple[str, str, str, int], ...] = tuple(  # product id, name, category, price in euros
    (f"P{100 + number}", name.replace("_", " "), category, int(price))
    for number, (category, name, price) in enumerate(
        line.split("=")
        for line in _words(
            "jackets=Rain_jacket=129 jackets=Down_jacket=219 jackets=Softshell=99 jackets=Windbreaker=79 "
            "jackets=Parka=249 shoes=Hiking_boots=169 shoes=Trail_runners=119 shoes=Approach_shoes=139 "
            "shoes=Sandals=69 shoes=Winter_boots=189 packs=Day_pack_20_l=89 packs=Trekking_pack_55_l=199 "
            "packs=Bike_bag=109 packs=Duffel_60_l=99 packs=Hip_belt=29 tents=Tent_for_two=349 "
            "tents=Tent_for_four=499 tents=Tarp=119 tents=Bivvy_bag=89 tents=Ground_sheet=39 "
            "sleeping=Sleeping_bag_summer=129 sleeping=Sleeping_bag_winter=279 sleeping=Mat=79 sleeping=Pillow=25 "
            "sleeping=Hammock=69 kitchen=Stove=59 kitchen=Pot_set=49 kitchen=Bottle=22 kitchen=Thermos=34 "
            "kitchen=Cutlery=15 climbing=Harness=75 climbing=Helmet=65 climbing=Rope_60_m=159 "
            "climbing=Quickdraws=89 climbing=Chalk_bag=19 wear=Merino_shirt=69 wear=Trousers=89 wear=Shorts=55 "
            "wear=Socks=14 wear=Beanie=24 wear=Gloves=39 wear=Fleece=79 gear=Headlamp=45 gear=Poles=95 "
            "gear=Compass=32 gear=Map=12 gear=First_aid_kit=28 gear=Power_bank=49"
        )
    )
)

CAMPAIGNS = _words("spring_sale new_arrivals winter_ready back_outdoors members_week")
TICKET_SUBJECTS = ("Where is my parcel", "Wrong size", "Refund", "Change of address", "Question about a product")
BROWSERS = ("Chrome", "Safari", "Firefox", "Edge")
PHONES = (
    Phone("Apple", "iPhone 15", "ios"),
    Phone("Samsung", "Galaxy S24", "android"),
    Phone("Google", "Pixel 8", "android"),
)
