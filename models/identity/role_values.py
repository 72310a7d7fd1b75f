"""Values that are frequent in columns of some roles, whatever the language: what makes a column recognisable. Pure."""

from models.identity.role_words import word_set

GENDERS = word_set(
    "m f male female man woman men women boy girl w h u x o d mann frau männlich weiblich divers homme femme "
    "masculin féminin hombre mujer masculino femenino maschio femmina feminino kvinne kvinna vrouw other unknown "
    "unspecified nonbinary non-binary diverse neutral undisclosed intersex"
)
FORMS_OF_ADDRESS = word_set(
    "mr mrs ms miss mx dr prof professor sir madam mister herr frau m mme mlle monsieur madame sr sra srta dhr "
    "mevr hr rev don dona lord lady sig sigra"
)
SUFFIXES = word_set("jr sr i ii iii iv v vi junior senior esq phd md dds 2nd 3rd 4th filho neto")
STATUSES = word_set(
    "active inactive pending closed open enabled disabled deleted terminated subscribed unsubscribed new lead yes "
    "no true false verified unverified current former archived cancelled canceled completed paid"
)
BOOLEANS = word_set("true false yes no y n 0 1 t f")
# Enough of each place that a column of people's names has some, whoever the people are.
GIVEN = word_set(
    "james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony "
    "mark donald steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan "
    "jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander "
    "raymond patrick jack dennis jerry tyler aaron jose adam henry nathan douglas zachary peter kyle walter ethan "
    "jeremy harold keith christian roger noah gerald carl terry sean austin arthur lawrence jesse dylan bryan joe "
    "jordan billy bruce albert mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa "
    "nancy betty margaret sandra ashley kimberly emily donna michelle carol amanda dorothy melissa deborah "
    "stephanie rebecca sharon laura cynthia kathleen amy angela shirley anna brenda pamela emma nicole helen "
    "samantha katherine christine debra rachel carolyn janet catherine maria heather diane ruth julie olivia "
    "joyce virginia victoria kelly lauren christina joan evelyn judith megan andrea cheryl hannah jacqueline "
    "martha gloria teresa ann sara madison frances kathryn janice jean abigail alice julia judy sophia grace "
    "denise amber doris marilyn danielle beverly isabella theresa diana natalie brittany charlotte marie kayla "
    "alexis lori jane harry oliver charlie oscar leo alfie archie freddie amelia isla ava mia lily poppy ella "
    "sophie chloe lucy ellie georgia lachlan cooper liam lucas mason logan elijah aiden jackson luke hans klaus "
    "jürgen wolfgang stefan andreas matthias lukas felix jonas maximilian sabine petra monika ursula claudia "
    "katrin lena jan piet willem johan kees anne pierre michel philippe alain nicolas julien françois luc "
    "nathalie isabelle sylvie camille juan carlos luis miguel pedro jorge antonio manuel francisco javier "
    "alejandro carmen ana isabel lucia rosa pilar elena giuseppe giovanni marco luca francesco alessandro giulia "
    "francesca chiara paolo joao paulo rafael bruno fernanda camila mateus larissa mohammed muhammad mohamed "
    "ahmed ali omar hassan hussein fatima aisha khadija yusuf ibrahim abdul mustafa zainab raj rahul amit priya "
    "anjali arjun sanjay vijay sunita deepak lakshmi krishna ravi wei li jing yan ming hui fang jun ivan dmitri "
    "sergei olga natalia tatiana anastasia vladimir yuki haruto sakura kenji hiroshi minjun seoyeon jiwoo erik "
    "lars sven anders ingrid astrid nils bjorn magnus karin piotr krzysztof agnieszka katarzyna tomasz marek bob "
    "bill tom jim mike dave steve chris dan matt nick alex sam ben kate liz sue"
)
COUNTRIES = word_set(
    "us|usa|uk|gb|gbr|ca|can|au|aus|nz|nzl|de|deu|fr|fra|es|esp|it|ita|nl|nld|be|bel|ch|che|at|aut|ie|irl|pt|prt|"
    "se|swe|no|nor|dk|dnk|fi|fin|pl|pol|cz|cze|ru|rus|cn|chn|jp|jpn|kr|kor|in|ind|br|bra|mx|mex|ar|arg|za|zaf|sg|"
    "sgp|hk|hkg|ae|are|il|isr|tr|tur|gr|grc|hu|hun|ro|rou|ua|ukr|ph|phl|th|tha|vn|vnm|id|idn|my|mys|pk|pak|ng|"
    "nga|eg|egy|united states|united states of america|united kingdom|great britain|england|scotland|wales|"
    "northern ireland|canada|australia|new zealand|germany|deutschland|france|spain|españa|italy|italia|"
    "netherlands|nederland|belgium|switzerland|schweiz|austria|österreich|ireland|portugal|sweden|norway|denmark|"
    "finland|poland|polska|russia|china|japan|south korea|india|brazil|brasil|mexico|méxico|argentina|"
    "south africa|singapore|hong kong|israel|turkey|greece|hungary|romania|ukraine|philippines|thailand|vietnam|"
    "indonesia|malaysia|pakistan|nigeria|egypt|u.s.a.|u.s.",
    "|",
)
