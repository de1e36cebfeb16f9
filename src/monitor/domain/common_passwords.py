"""Words that passwords are commonly made of, in lower case. Pure.

Written for this product: words that people choose when they are asked for a password (about
secrets, love, teams, names, games, seasons), what keyboards suggest, and words of such products as
this one. ``passwords.py`` finds them however they are capitalised, spelt with digits, put together
and numbered, so that a word here stands for very many passwords.
"""

from __future__ import annotations

from typing import Final

WORDS: Final = frozenset(
    """
    password passwort passw pass pwd pword passcode secret secure security login logon signin
    letmein openup access enter hello hallo welcome willkommen bienvenue admin administrator root
    superuser user guest test tester testing temp temporary default changeme change please
    master system server network internet computer laptop windows linux ubuntu debian
    apple google facebook twitter youtube amazon microsoft yahoo hotmail gmail android samsung nokia
    sonyericsson websolutions web domain mail email monitor monitoring uptime status kuma
    alert website admin team company office work business backup database postgres redis influx
    docker cisco oracle mysql qwerty qwertz azerty qwe asd zxc yxc qaz wsx edc rfv tgb yhn ujm 1qa
    2ws 3ed 4rf 5tg qwer asdf zxcv
    iloveyou loveyou love lovely lover liebe amour amor baby babygirl honey sweet sweetie angel
    princess prince queen king kingdom darling beautiful pretty sexy kiss heart forever family
    mother father mommy daddy mama papa sister brother friend friends bestfriend
    football fussball soccer baseball basketball hockey tennis golf rugby cricket liverpool arsenal
    chelsea barcelona madrid juventus bayern dortmund manchester united yankees cowboys steelers
    lakers eagles dallas boston chicago texas london paris berlin hamburg america england france
    germany deutschland russia china india brasil mexico canada sanfrancisco newyork california
    michael jordan jordan23 jessica jennifer ashley amanda nicole daniel david robert thomas andrew
    andreas alexander anthony charlie george hunter joshua justin matthew martin peter stefan
    christopher christian william richard steven maria anna sarah sandra sabrina melissa michelle
    samantha elizabeth victoria natalie natasha nikita vladimir sergey dmitry ivan igor oleg
    michaeljackson justinbieber jamesbond avrillavigne morganstanley
    monkey dragon tiger lion eagle falcon panther wolf bear horse pony dog doggy cat kitty kitten
    puppy bird fish shark dolphin butterfly spider rabbit bunny chicken turtle elephant mustang
    ferrari porsche mercedes corvette camaro harley yamaha honda toyota bmw audi volkswagen
    summer winter spring autumn sommer herbst sunday monday friday january february march april
    june july august september october november december sunshine sonnenschein sunflower flower
    flowers rainbow moon star starlight sunrise sunset summertime christmas weihnachten
    weihnachtsbaum easter holiday
    superman batman spiderman ironman starwars matrix pokemon pikachu naruto minecraft fortnite
    roblox warcraft starcraft counterstrike playstation nintendo xbox zelda mario sonic
    finalfantasy residentevil devilmaycry mortalkombat needforspeed warhammer halo diablo
    greenlantern whosyourdaddy iseedeadpeople thecakeisalie systemofadown punksnotdead metallica
    nirvana slipknot eminem beatles stratocaster nightcrawler
    chocolate cookie cheese banana orange apple cherry strawberry peanut peanutbutter butter pepper
    ginger coffee beer whisky vodka pizza sugar candy cocacola
    trustno freedom liberty justice peace jesus christ god ingodwetrust blessed church heaven hell
    devil satan lucifer angel666 destiny hope faith lucky luck magic wizard merlin gandalf ninja
    samurai pirate soldier warrior knight hunter killer death shadow phoenix thunder lightning fire
    ice snow storm diamond silver golden gold money dollar rich million billion
    leavemealone fuckyou fuckoff whatever nothing something
    idontknow dontknow forgot remember nopassword mypassword yourpassword thisismy this is my the
    your new old one two three four five six seven eight nine ten first last
    correct correcthorse battery staple horsebattery
    ticketmaster install installs digital product special project abcd abc xyz zaq xsw cde
    gfhjkm ghbdtn ghjcnj fktrcfylh dkflbvbh vfhbyf yfnfif k.,bnm
    """.split()  # noqa: SIM905 - a line a word would hide what is missing
)
