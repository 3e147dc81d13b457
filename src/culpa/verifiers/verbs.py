"""English verbs with which an answer may begin, and their regular forms."""

_BASE_TEXT = """
    accept access accomplish account achieve acknowledge acquire act adapt add address adjust admit adopt advance advise
    affect agree aim allow analyze answer anticipate appear apply appreciate approach approve argue arrange arrive ask
    assemble assess assign assist assume attach attempt attend avoid bake balance be bear beat become begin believe
    belong bend blend block boil book borrow break breathe bring broaden browse build burn buy calculate call calm carry
    catch cause celebrate challenge change charge check choose chop cite claim clarify classify clean clear click climb
    close collaborate collect combine come commit communicate compare compile complete compose compute concentrate
    conclude conduct confirm connect consider consist construct consult consume contact contain continue contribute
    control convert cook cool copy correct count cover create cross cultivate cut dance deal decide declare decrease
    deepen define deliver demonstrate depend describe design destroy detect determine develop dig discover discuss
    display distribute dive divide do double draft drag draw dream drink drive drop dry earn eat edit educate eliminate
    embark embrace emphasize employ empower enable encourage end engage enhance enjoy enroll ensure enter establish
    estimate evaluate examine exercise exist expand expect experience experiment explain explore express extend face
    fail fall feed feel fight fill find finish fit fix fly focus follow force foster frame fry gain gather generate get
    give glance go grab grasp grill grow guess guide handle happen harness hate have head hear heat help hide highlight
    hire hold hope identify ignore illustrate imagine implement improve include incorporate increase indicate inform
    insert inspect inspire install integrate introduce invest investigate invite involve join jump keep knock know
    label laugh launch lead learn leave lend let leverage lie lift light limit link list listen live locate look lose
    love lower maintain make manage mark marvel match maximize mean measure meet memorize mention merge mind
    minimize mix modify monitor move multiply name navigate need note notice nurture observe obtain occur offer open
    operate optimize order organize overcome own pack paint participate pass pause pay perform permit persuade pick
    picture place plan plant play please plug point ponder position pour practice praise predict prefer prepare present
    preserve press prevent print prioritize proceed process produce promise promote protect prove provide publish pull
    purchase push put question quit raise reach read realize recall receive recognize recommend reconnect record recount
    reduce refer reflect refuse regard relate relax release rely remain remember remind remove rent repair repeat
    replace reply report represent request require research reserve resolve respond rest restore result retrieve return
    reveal review revise ride ring rinse rise roast roll rotate run save say scan schedule scrape scroll search seat
    secure see seek seem select sell send separate serve set settle shake shape share shift shine shoot show shut
    simmer simplify sing sit skip sleep slice slide slow smell smile soak solve sort speak specify spend spread stack
    stand start state stay step stick stir stop store strengthen stretch strike strive structure struggle study submit
    substitute subtract succeed suffer suggest suit summarize supply support suppose surround swim swing switch take
    talk taste teach tell tend test thank think throw tie toss touch tour track trade train transfer transform translate
    travel treat trust try turn type understand uncover unlock update upgrade use utilize value vary verify view visit
    visualize wait wake walk want warm wash watch wear weigh whisk whisper win wipe wish wonder work worry wrap write
"""
_IRREGULAR_TEXT = """
    is are was were am been being has had having does did done goes went gone began begun became broke broken brought
    built bought caught chose chosen came cut drew drawn drove driven ate eaten fell felt fought found flew flown forgot
    gave given got grew grown heard held kept knew known led left lent lay lost made meant met paid put read ran said
    saw seen sold sent set shook shone showed shown shut sang sat slept spoke spoken spent spread stood stuck struck
    swam took taken taught told thought threw thrown understood woke wore won wrote written lying dying tying
"""
_BASE, _IRREGULAR = frozenset(_BASE_TEXT.split()), frozenset(_IRREGULAR_TEXT.split())


def is_verb(word: str) -> bool:
    """Whether a word in small letters is one of the verbs, in its base form or another.

    >>> [is_verb(word) for word in ("make", "makes", "making", "stopped", "tries", "was", "tea", "tie", "king", "bed")]
    [True, True, True, True, True, True, False, True, False, False]
    """
    return word in _IRREGULAR or any(stem in _BASE for stem in _stems(word))


def _stems(word: str) -> list[str]:
    """The base forms of which the word could be a regular form, as English spells them."""
    stems = [word]
    if word.endswith(("s", "ed", "ing")):
        for ending in ("s", "es", "ed", "ing"):
            bare = word.removesuffix(ending)
            if bare != word and len(bare) > 1:
                stems += [bare] if ending in ("s", "es") else _bare_forms(bare)
        stems += [word.removesuffix(ending) + "y" for ending in ("ies", "ied") if word.endswith(ending)]
    return stems


def _bare_forms(bare: str) -> list[str]:
    """talk-ed; mak-ing from make; stopp-ed from stop."""
    single = [bare[:-1]] if len(bare) > 2 and bare[-1] == bare[-2] else []
    return [bare, bare + "e", *single]
