"""Given names that are one name: spellings, transliterations and forms in other languages, and short forms.

A supplement to the English short forms of the `nicknames` package. All in folded form. A name may be in several
lines. Written for Onefold from general knowledge; forms are listed where people are known to change between them
(on moving to another country, or because a script is written down in several ways), not where names only share
an origin.
"""

# The first of each line stands for it.
VARIANTS = """
abdullah abdallah abdulla abdoullah
abdulrahman abdurrahman abdelrahman abdurahman
abraham ibrahim avraham abram ebrahim ibraheem brahim
adam adem adham
adrian adriano adrien adrianus
agnes agnieszka ines agnese agnesa
ahmed ahmad ahmet achmed achmad ahamed
aisha ayesha aysha aishah aicha ayse aischa ayisha
albert alberto albrecht
alexander aleksandr alexandr aleksander alexandre alejandro alessandro aliaksandr alyaksandr oleksandr iskandar \
iskender aleksandar alexandros alexandru
alexandra aleksandra alejandra alessandra oleksandra alexandria
alexis alexei aleksei aleksey alexey alexej oleksiy alejo alessio
alfred alfredo
alice alicia alix alicja alisa alise
alphonse alfonso alonso alfons alphonso
amelia amelie amalia emelia
amin ameen amine
amina aminah ameena amna
amir ameer emir
andrew andrei andrey andrej andreas andre andres andrea andrzej andriy ondrej anders andras andries
angela angele aniela
angelica angelika angelique
ann anna anne ana ane
anthony antonio antony antoine anton antoni antonius antonin
antonia antonina antoinette antonietta
arthur artur arturo artem
barbara varvara barbora
beatrice beatriz beatrix
benedict benedikt benedetto benito benoit bengt
benjamin binyamin benyamin benjamim beniamino veniamin
bernard bernhard bernardo bernd
boris borys
brian bryan bryon
caitlin kaitlyn katelyn kaitlin caitlyn katelynn kaitlynn
caroline carolina karoline karolina carolyn
catherine katherine katharina katarina caterina catalina katarzyna ekaterina yekaterina kateryna katerina \
kathryn catharine katharine cathryn kathrine
cecilia cecile cecily cacilie
charles carlos karl carl carlo karel karol charlie
charlotte carlotta karlotta
christian kristian cristian cristiano krystian christiaan
christine christina kristina kristine cristina krystyna khrystyna kirsten kerstin kirstin kristin kristen \
kristyn
christopher christoph christophe cristobal kristoffer krzysztof christoffer kristopher cristoforo khristofor
clara klara claire clare
claude claudio claudius
claudia klaudia
constantine konstantin constantin constantino costantino kostyantyn konstantinos
daniel danil daniil danilo danyl danial danyal daniele danylo
david dawid davide dawud daud dawood davud davyd
dennis denis denys dionisio dionysius
diana dianne diane dayana
dmitri dmitry dimitri dmitriy dmytro dimitrios dimitar dmitrij dzmitry
dominic dominik domingo dominique domenico dominick
dorothy dorothea dorotea dorota doroteia
edmund edmond edmundo
edward eduard eduardo edoardo edvard eduards
eleanor eleonora leonor elinor eleonore ellinor
elena helena helen helene olena yelena jelena alena ellen ileana ilona
elias ilya eliyahu ilyas elijah ilias ilja illia
elizabeth elisabeth elisabetta isabel isabella elzbieta yelizaveta elizaveta erzsebet alzbeta elisabet elisaveta \
isabelle elspeth elise
emil emile emilio
emily emilia emilie emiliya
emmanuel emanuel manuel emanuele immanuel manoel imanuel
eric erik erich erick eryk eirik
ernest ernst ernesto arnost
eugene evgeny yevgeny evgeni evgeniy yevgeniy eugenio eugen yevhen evgenii eugeniusz
eugenia evgenia yevgenia evgeniya yevgeniya eugenie
eva eve ewa yeva evita
faisal faysal feisal fysl feysal
farid fareed ferid
fatima fatimah fatema fatma fatemeh fathima
ferdinand fernando fernand hernando fernan
felix feliks felice
francis francisco franz francois francesco frans franciszek frantisek ferenc franciscus
frances francisca francesca francoise franziska franciszka
frederick friedrich frederic federico fredrik frederik fryderyk frederico fredrick fredric
gabriel gavriil gabriele jibril cebrail gavril
george georg georges jorge giorgio yuri georgi jerzy georgios jurgen gyorgy yuriy iurii georgy juri yury jiri \
goran gheorghe
gerald geraldo gerold
gerard gerhard gerardo gerhardt gerrit
gregory gregor gregorio grigori grzegorz grigory gregoire grigoriy hryhoriy grigorios
hannah hanna hana chana
hassan hasan hassen
hussein hussain husayn hossein husain huseyin hosein hussien
henry heinrich henri enrique enrico henrik hendrik henryk henrique heinz
hugh hugo ugo hugues
ignatius ignacio ignacy ignaz ignazio
irene irina iryna irena eirini
isaac isaak ishaq yitzhak izaak ishak icchak
ishmael ismail ismael esmail ismaeel
john ivan juan jean johann johannes jan giovanni joao hans ioannis ian sean jens johan jon ion iohannes yann \
janos hannes shaun shawn yohannes
jacob jakob jakub jacobo yakov yaakov giacomo jacques iago yaqub yakub jaap jacobus
james jaime seamus hamish jayme
jamal gamal cemal djamal jamaal
jane joanna johanna giovanna juana jeanne joana jana yana janina joan jeannette ivana sinead
jerome geronimo gerolamo hieronymus jeronimo hieronim
joachim joaquin joaquim
jonathan yonatan jonatan johnathan jonathon johnathon
joseph yusuf yosef jose josef giuseppe yousef youssef josip jozef yusef iosif yousuf yusif jusuf osip josefo \
jozsef
josephine josefina josefine giuseppina josepha josefa jozefina
joshua yehoshua josue jozua
jeffrey geoffrey jeffery gottfried geoffroy
julia giulia yulia julie yuliya iulia juliya julija
julian julien giuliano yulian
julius julio giulio jules juliusz
karim kareem kerim
katrina catriona
khalid khaled halid chaled
khadija khadijah hatice hadija khadeeja
lawrence laurence lorenzo laurent lorenz lars laurens lavrentiy laurentius
layla leila laila leyla lejla
leo leon lev leonid lew leone
leonard leonardo leonhard leonhardt
louis luis ludwig luigi lewis ludovic ludvig lodewijk luiz ludwik ludovico aloysius
louise luisa luise louisa ludwika
lucas luke luca lukas lukasz luka luc loukas
lucy lucia lucie lucja luzia luciya
madeleine magdalena maddalena magdalene madeline madelyn
mahmoud mahmud mahmut mehmood mahmood
marcus mark marco marcos marc marek marko markus marcin
margaret margarita margarete margherita marguerite malgorzata marketa margaretha margareta margret
martha marta marthe marfa
martin martino martins maarten marten marcin martinus
mary maria marie mariya miriam maryam mariam meryem mariah maryja maire miryam
matthew matteo mateo matthias mathieu mateusz matvei matej mattias matias matheus mathias matthieu matvey matous \
mattheus matthijs
maximilian maksim maxim maksym massimiliano maximiliano
maurice mauricio moritz maurizio mauritz moris
michael mikhail miguel michel michele mikael michal mykhailo mikail mihail mihai mikhael michail mikel mykhaylo \
mihajlo mikayil micheal
mohammed muhammad mohamed mohammad mehmet muhammed mohamad muhamed mahomet muhammet mohd muhamad mohamet \
mahammad mamadou magomed mohamud
mustafa mostafa moustafa mustapha moustapha
moses musa moshe moussa moise moises mousa moisei
nadia nadezhda nadiya nadja nadya
natalia natalie natalya nataliya nathalie natalja
nathan natan nathaniel nathanael natanael
nicholas nikolai nicolas nikolaus nicola niccolo mikolaj nikolay mykola nikola nikolas nicolaus niklas nicolaas \
miklos nikolaj nikolaos claus
nicole nicola nicoletta
noah noe nuh noach
nur noor nour nura
olga olha
oliver olivier oliviero olivero
omar umar omer oumar umer
oscar oskar oszkar
osman usman uthman othman ousmane
patrick patricio patrice patryk patrizio padraig
patricia patrizia patrycja patrice
paul pablo pavel paolo paulo pavlo pawel pal pauls pavlos pol bulus
paula paola pavla
peter pedro pierre pietro petr piotr pyotr petro petar peder pieter petros petur butros boutros piero pjotr \
petrus
philip felipe philippe filippo filip phillip philipp filipp pilypas
rachel raquel rahel rakel rachele
ralph rafe raoul raul rolf
raphael rafael raffaele rafal
rasheed rashid rachid rashed
raymond ramon raimund raimondo raymund raimundo
rebecca rivka rebekah rebeca rebekka
reza rida ridha
richard ricardo riccardo ryszard rikard
robert roberto ruprecht rupert robrecht
roger rogelio rudiger ruggero rutger
rodrigo roderick rodrick
roman romain romano
rosa rose roza
rudolf rodolfo rudolph rodolphe
said saeed sayed saed sayeed sait saied
salim saleem selim salem
samuel shmuel samuele samuil samuelo
samir sameer samer
sara sarah sarra zara sarai
sebastian sebastien sebastiano bastian sebastiao
sergei sergey sergio serge serhiy sergiy sergii sergej siarhei serhii
simon simeon shimon szymon semyon simone simao symon semen
sofia sophia sophie zofia sofiya sofie sophiya
solomon suleiman sulaiman sulayman salomon suleyman shlomo souleymane salomo
stephen steven stefan esteban etienne stefano istvan stepan stephan estevan szczepan stephane stefanos estevao \
stjepan steffen staffan
stephanie stefania estefania stefanie stephany
susan susanna susana suzanne zuzana zsuzsanna susannah susanne shoshana zuzanna suzanna
svetlana svitlana svetlina
tamara tamar
tariq tarek tarik tareq
tatiana tatyana tetiana tetyana tatjana tanya
terence terrence
theodore fyodor teodoro theodor fedor teodor fiodor theodoros feodor fedir
theresa teresa therese theresia terezia tereza
thomas tomas tommaso toma tomasz tomaso tome thoma foma tomaz tuomas
timothy timofey timoteo timothee timo tymofiy
valentine valentin valentino walenty
valery valeri valeriy valerii valerio
vera wera wiera
veronica veronika veronique weronika
victor viktor vittorio wiktor vitor
victoria viktoria vittoria wiktoria viktoriya
vincent vincenzo vicente vincenz wincenty vikentiy
vladimir volodymyr wladimir vladimiro wlodzimierz uladzimir vladimer
wilhelmina guillermina wilhelmine
william wilhelm guillermo guillaume guglielmo willem vilhelm guilherme vilem liam gwilym uilliam
xavier javier saverio xaver
yasin yaseen yassin yassine
zachary zacharias zacarias zakaria zechariah zachariah zakariya zacharie zekeriya
zaynab zainab zeinab zeynep zaineb
"""

# The full form, then short forms and familiar forms of it.
SHORT_FORMS = """
alexander alex sasha sascha shura sandro lex xander sanya alyosha alejo olek alexr
alexandra sasha sandra alexa shura ola
aleksandr sasha shura sanya
aleksandra sasha ola
alexei alyosha lyosha
anastasia nastya stacy nastia anya asya nastassia
andrew drew andy dre
anna anya anja annie nyura ania anka
antonio tono toni tonio
anthony tony anth
barbara barb babs basia varya
benjamin ben benj benjy binny
boris borya
catherine cathy kate katie cat kitty kat
charles chas chuck charlie chaz
concepcion concha conchita
consuelo chelo
daniel dan danny danl dani danya
david dave davy dai dovid
dmitri dima mitya dimka dimitar
dolores lola lolita
edward ed eddie ted teddy ned edw edwd
eduardo lalo edu eddie
ekaterina katya katia kate katyusha
elena lena lenka alyona helen
elizabeth liz beth eliza lisa liza betty betsy lizzie bess libby elsie eliz elizth elsa ilse lise lisbeth
enrique quique kike
eugene gene zhenya
evgeny zhenya
fernando nando fer
francisco paco pancho frank fran cisco chico curro kiko
francesca franca cesca
frederick fred freddie fredk fritz fredrk
friedrich fritz
gabriel gabe gabi
george geo georgie jurek yura zhora
georgi gosha zhora
giovanni gianni nino vanni
giuseppe beppe peppe pino beppo
gregory greg grisha
guadalupe lupe lupita
guillermo memo guille willy
heinrich heinz heiner
henry harry hal hank hy heiko
ignacio nacho
irina ira irisha
isabel chabela bel isa
ivan vanya
jacob jake coby kobi
james jim jimmy jas jamie jem
jesus chuy chucho
johannes hans hannes
john jack jno johnny jock
jose pepe chepe pepito
joseph jos joe joey jo sepp
josef sepp
juan juancho juanito
katarzyna kasia
ksenia oksana xenia ksyusha
lawrence larry lars laurie
leonid lenya
luis lucho
ludwig lutz
malgorzata gosia
manuel manny manolo manu
margaret peggy meg maggie margt greta gretel daisy madge margo rita
maria masha marusya mariska mia
mary molly polly may mamie
mercedes meche
michael mike mick mickey misha mikey michl micky
mikhail misha
mohammed mo moh mohd hamada
natalia natasha talia tasha nata
nicholas nick nico klaus nicky kolya nichs
nikolai kolya
olga olya
pavel pasha
patrick pat paddy patk
patricia pat patty patti tricia trish
peter pete petya
pyotr petya
rafael rafa
ramon moncho
richard dick rich rick richd ricky
robert bob rob bobby robt robbie bert robin
roberto beto berto
rosario charo
samuel sam saml sammy
santiago santi chago diego
sergei seryozha seryoga
sofia sonya sonia sonja
stephen steve stevie stephn
susan sue susie suzy
svetlana sveta lana
tatiana tanya tania
terence terry
theodore ted teddy theo
theresa terry tess tessa resi
thomas tom tommy thos
timothy tim timmy
valentina valya
vasily vasya vasili vasilii vasiliy
victor vic vitya
victoria vicky vika tori vikki
viktor vitya
viktoria vika
vladimir volodya vova vlad vladik
vladislav vlad vladik slava
vyacheslav slava viacheslav
walter walt wally wat
william will bill billy willie wm willm liam bela
wilhelm willi wim helmut
yekaterina katya
yevgeny zhenya
yuri yura
"""

# Pairs of the `nicknames` package that are no short forms of one another.
NOT_RELATED = frozenset((("robert", "bill"), ("robert", "billy"), ("bill", "robert"), ("billy", "robert")))
