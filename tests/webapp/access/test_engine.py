"""The engine decides and explains as bare Cedar does with the whole set, tells where a text is wrong, keeps limits."""

import json
import threading

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webapp.access import policy_text
from webapp.access.engine import (
    Compiled,
    FactsRefused,
    PoliciesRefused,
    Request,
    Uid,
    compile_policies,
    findings_of,
)

SCHEMA = """
entity Team in [Team];
entity Person in [Team] { level: Long, site: String };
entity Robot in [Team] { level: Long, site: String };
entity Folder in [Folder];
entity Doc in [Folder] { owner: Person, secret?: Bool };
action all;
action change in [all];
action read in [all] appliesTo { principal: [Person, Robot], resource: [Doc, Folder], context: { mfa: Bool, n: Long } };
action write, remove in [change] appliesTo {
  principal: [Person, Robot], resource: [Doc, Folder], context: { mfa: Bool, n: Long }
};
"""
PEOPLE = [Uid("Person", "ann"), Uid("Person", 'bo"b'), Uid("Robot", "r2"), Uid("Person", "nobody")]
TEAMS = [Uid("Team", "a"), Uid("Team", "b"), Uid("Team", "c")]
THINGS = [Uid("Doc", "1"), Uid("Doc", "2"), Uid("Folder", "f"), Uid("Folder", "g")]
ACTIONS = [Uid("Action", name) for name in ("read", "write", "remove")]
GROUPS = [*ACTIONS, Uid("Action", "all"), Uid("Action", "change")]
CONDITIONS = [
    "context.mfa",
    "context.n > 3",
    "principal.level >= context.n",
    "resource is Doc && resource.owner == principal",
    'principal.site == "paris" || context.n == 1',
    "resource.secret",  # fails where the attribute is not there
    "if context.mfa then true else context.n < 2",
    "principal.level + 9223372036854775807 > 0",  # overflows, which is an error of the policy
]


def clause(word: str) -> st.SearchStrategy[str]:
    return st.sampled_from(CONDITIONS).map(lambda condition: f" {word} {{ {condition} }}")


def scope(name: str, kinds: list[str], uids: list[Uid], groups: list[Uid]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just(name),
        st.sampled_from(uids).map(lambda uid: f"{name} == {uid}"),
        st.sampled_from(groups + uids).map(lambda uid: f"{name} in {uid}"),
        st.sampled_from(kinds).map(lambda kind: f"{name} is {kind}"),
        st.tuples(st.sampled_from(kinds), st.sampled_from(groups)).map(lambda two: f"{name} is {two[0]} in {two[1]}"),
    )


actions = st.one_of(
    st.just("action"),
    st.sampled_from(GROUPS).map(lambda uid: f"action == {uid}"),
    st.sampled_from(GROUPS).map(lambda uid: f"action in {uid}"),
    st.lists(st.sampled_from(GROUPS), min_size=1, max_size=3).map(
        lambda uids: f"action in [{', '.join(map(str, uids))}]"
    ),
)
policies = st.tuples(
    st.sampled_from(["permit", "permit", "permit", "forbid"]),
    scope("principal", ["Person", "Robot"], PEOPLE, TEAMS),
    actions,
    scope("resource", ["Doc", "Folder"], THINGS, [Uid("Folder", "f"), Uid("Folder", "g")]),
    st.one_of(st.just(""), clause("when"), clause("unless"), st.tuples(clause("when"), clause("unless")).map("".join)),
).map(lambda parts: f"{parts[0]} ({parts[1]}, {parts[2]}, {parts[3]}){parts[4]};")
subsets = st.lists(st.sampled_from(TEAMS), max_size=2, unique=True)


def entity(uid: Uid, parents: list[Uid], **attrs: object) -> dict[str, object]:
    return {
        "uid": {"type": uid.type, "id": uid.id},
        "attrs": attrs,
        "parents": [{"type": up.type, "id": up.id} for up in parents],
    }


def world(in_teams: list[list[Uid]], nested: bool) -> list[dict[str, object]]:
    owner = {"__entity": {"type": "Person", "id": "ann"}}
    return [
        *(
            entity(who, ups, level=n * 3, site=("paris", "fes")[n % 2])
            for n, (who, ups) in enumerate(zip(PEOPLE, in_teams, strict=False))
        ),
        entity(TEAMS[0], [TEAMS[1]] if nested else []),
        entity(TEAMS[1], [TEAMS[2]] if nested else []),
        entity(THINGS[0], [THINGS[2]], owner=owner, secret=True),
        entity(THINGS[1], [], owner=owner),
        entity(THINGS[2], [THINGS[3]]),
    ]


def bare(text: str, request: Request, entities: list[dict[str, object]]) -> tuple[bool, set[str], list[str]]:
    """Return what Cedar says of the whole set."""
    schema = cedarpy.Schema.from_str(SCHEMA)
    told = cedarpy.is_authorized(
        {
            "principal": request.principal._asdict(),
            "action": request.action._asdict(),
            "resource": request.resource._asdict(),
            "context": dict(request.context),
        },
        cedarpy.PolicySet.from_str(text),
        cedarpy.Entities.from_json_str(json.dumps(entities), schema),
        schema,
    )
    return told.allowed, set(told.diagnostics.reasons), sorted(told.diagnostics.errors)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(policies, max_size=14),
    in_teams=st.lists(subsets, min_size=3, max_size=3),
    nested=st.booleans(),
    asked=st.lists(
        st.builds(
            Request,
            st.sampled_from(PEOPLE),
            st.sampled_from(ACTIONS),
            st.sampled_from(THINGS),
            st.fixed_dictionaries({"mfa": st.booleans(), "n": st.integers(0, 6)}),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_it_decides_and_explains_as_the_whole_set_does(
    texts: list[str], in_teams: list[list[Uid]], nested: bool, asked: list[Request]
):
    text, entities = "\n".join(texts), world(in_teams, nested)
    compiled = compile_policies(text, SCHEMA, validated=False)
    facts = compiled.facts(entities)
    many = compiled.decide_many(asked, facts)
    for request, together in zip(asked, many, strict=True):
        alone = compiled.decide(request.principal, request.action, request.resource, request.context, facts)
        permit, reasons, errors = bare(text, request, entities)
        assert (alone.permit, set(alone.policies), list(alone.errors)) == (permit, reasons, errors)
        assert (alone.permit, alone.policies, alone.errors) == (together.permit, together.policies, together.errors)
        if not permit and not reasons:
            near = [
                one
                for one in compiled.applicable(request.principal, request.action, request.resource, facts)
                if one.effect == "permit"
            ]
            told = compiled.missing(request.principal, request.action, request.resource, request.context, facts)
            assert {one.policy for one in told} == {one.id for one in near}, (
                text,
                request,
                "each policy that came near says what it lacks",
            )


def test_without_a_schema_groups_of_actions_come_from_the_entities():
    compiled = compile_policies('permit (principal, action in Action::"all", resource);')
    facts = compiled.facts([entity(Uid("Action", "read"), [Uid("Action", "all")])])
    ask = (Uid("Person", "ann"), Uid("Action", "read"), Uid("Doc", "1"))
    assert compiled.decide(*ask, facts=facts).permit
    assert not compiled.decide(*ask).permit


def test_what_the_schema_does_not_know_is_denied_with_the_reason():
    compiled = compile_policies("permit (principal, action, resource);", SCHEMA)
    outcome = compiled.decide(Uid("Person", "ann"), Uid("Action", "fly"), Uid("Doc", "1"), {"mfa": True, "n": 1})
    assert not outcome.permit
    assert "fly" in outcome.errors[0]
    wrong = compiled.decide(Uid("Person", "ann"), Uid("Action", "read"), Uid("Doc", "1"), {"mfa": "yes", "n": 1})
    assert not wrong.permit
    assert wrong.errors


def test_a_policy_is_known_by_its_id_else_by_its_number_or_its_parts_name():
    compiled = compile_policies(
        [
            ("one", '@id("named") permit (principal, action, resource);'),
            ("two", "forbid (principal, action, resource);"),
        ]
    )
    assert [policy.id for policy in compiled.policies] == ["named", "two"]
    assert compiled.decide(PEOPLE[0], ACTIONS[0], THINGS[0]).policies == ("two",)
    assert [policy.id for policy in compile_policies("permit (principal, action, resource);").policies] == ["policy0"]


TOO_DEEP = policy_text.MAX_DEPTH + 2
WRONG = {
    "permit (principal, action resource);": (1, 27, "unexpected token"),
    "permit (principal, action, resource);\n\npermit (\n  principal,\n  , resource);": (5, 3, "unexpected token"),
    "permit (principal, action, resource)\n": (1, 36, "unexpected end of input"),
    'permit (principal, action, resource) when { "x } ;': (1, 45, ""),
    "permit (principal, action, resource)\nwhen { context.n > 99999999999999999999 };": (1, 1, "integer"),
    "permit (principal, action, resource)\nwhen {\n  principal.nope == 1\n};": (3, 13, "nope"),
    '@id("first") permit (principal, action == Action::"fly", resource);': (1, 43, "unrecognized action"),
    '// a comment; with "signs"\npermit (principal, action, resource) when { context.mfa > 3 };': (2, 1, "type"),
    '@id("a") permit (principal, action, resource);\n@id("a") forbid (principal, action, resource);': (2, 1, "already"),
    "permit (principal == ?principal, action, resource);": (1, 1, "template"),
    f"permit (principal, action, resource) when {{ {'(' * 4000}true{')' * 4000} }};": (1, 1, "at most 1000"),
    f"permit (principal, action, resource) when {{ {'(' * TOO_DEEP}true{')' * TOO_DEEP} }};": (1, 68, "nested deeper"),
    f"permit (principal, action, resource) when {{ {'if true then true else ' * 30}true }};": (1, 574, "nested deeper"),
    f"permit (principal, action, resource) when {{ {'true || ' * 5000}true }};": (1, 1, "characters"),
    "permit (principal, action, resource);" * 2_001: (0, 0, "2001 policies"),
    " " * 400_001: (0, 0, "400001 characters"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_text_that_is_wrong_or_pathological_is_refused_at_its_place(text: str):
    line, column, words = WRONG[text]
    findings = findings_of(text, SCHEMA)
    assert (findings[0].line, findings[0].column) == (line, column), findings
    assert words in findings[0].said
    with pytest.raises(PoliciesRefused):
        compile_policies(text, SCHEMA)


@pytest.mark.parametrize(
    ("schema", "line", "words"),
    [
        ("entity X;\nentity Y in [Z];\naction a appliesTo { principal: X };", 3, "resource"),
        ("entity X\nentity Y;", 2, "unexpected token"),
        ("entity X;\nentity Y in [Z];", 2, "Z"),
        (f"entity X {{ a: {'Set<' * 30}Long{'>' * 30} }};", 1, "nested deeper"),
        (" " * 60_001, 0, "60001 characters"),
    ],
)
def test_a_schema_that_does_not_hold_is_refused_at_its_line(schema: str, line: int, words: str):
    with pytest.raises(PoliciesRefused) as refused:
        compile_policies("", schema)
    assert refused.value.findings[0].line == line
    assert words in refused.value.findings[0].said


def test_the_largest_policy_that_is_accepted_is_decided_on_a_thread():
    chain = " && ".join(["true"] * 460)
    nested = "(" * 20 + "context.n > 0" + ")" * 20
    text = f"forbid (principal, action, resource) when {{ {chain} && {nested} }};"
    told: list[tuple[str, ...]] = []

    def ask() -> None:
        compiled = compile_policies(text, SCHEMA)
        told.append(compiled.decide(PEOPLE[0], ACTIONS[0], THINGS[0], {"mfa": True, "n": 1}).policies)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert told == [("policy0",)], "a forbid that could not be worked out would forbid nothing"


@pytest.mark.parametrize(
    "entities",
    [
        [{"uid": "Person::ann"}],
        [{"uid": {"type": "Person", "id": 7}}],
        [{"attrs": {}}],
        [entity(Uid("Person", "ann"), [], level="high", site="paris")],
        [entity(Uid("Team", "a"), [Uid("Team", "b")]), entity(Uid("Team", "b"), [Uid("Team", "a")])],
        [entity(Uid("Team", str(number)), []) for number in range(20_001)],
    ],
)
def test_entities_that_cannot_be_used_are_refused_with_the_reason(entities: list[dict[str, object]]):
    with pytest.raises(FactsRefused):
        compile_policies("", SCHEMA).facts(entities)


def test_a_request_meets_only_the_policies_that_can_apply():
    text = "\n".join(
        f'@id("p{n}") permit (principal in Team::"{n % 100}", action == Action::"read", resource)'
        " when { context.mfa };"
        for n in range(1000)
    )
    compiled: Compiled = compile_policies(text, SCHEMA)
    facts = compiled.facts([entity(Uid("Person", "ann"), [Uid("Team", "7")], level=1, site="x")])
    met = compiled.applicable(Uid("Person", "ann"), Uid("Action", "read"), THINGS[0], facts)
    assert [policy.id for policy in met] == [f"p{n}" for n in range(7, 1000, 100)]
    assert compiled.applicable(Uid("Person", "ann"), Uid("Action", "write"), THINGS[0], facts) == []
    missing = compiled.missing(Uid("Person", "ann"), Uid("Action", "read"), THINGS[0], {"mfa": False, "n": 1}, facts)
    assert {one.condition for one in missing} == {"context.mfa"}
