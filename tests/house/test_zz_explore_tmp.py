import json,re,os
from html.parser import HTMLParser
from sqlalchemy import text
from tests import atlas
from tests.furnished import furnish
class R(HTMLParser):
    def __init__(s): super().__init__(); s.out=[]; s.stack=[]
    def handle_starttag(s,tag,attrs):
        if tag not in ('br','img','input','meta','link','hr','path','rect','use','col','source','wbr'): s.stack.append(tag)
        for n,v in attrs:
            if v and (n in ('aria-label','title','placeholder','alt','data-confirm','data-copied','data-key-set','data-label','data-live','label') or n.startswith('data-text')): s.out.append((n,v))
    def handle_endtag(s,tag):
        while s.stack and tag in s.stack:
            if s.stack.pop()==tag: break
    def handle_data(s,d):
        d=' '.join(d.split())
        if d and not set(s.stack)&{'script','style'}: s.out.append(('/'.join(s.stack[-2:]),d))
def test_x(app,owner,settings):
    made=furnish(app,owner,settings)
    res={}
    for who,person in (('owner',made.alice),('operator',made.cast.olga),('auditor',made.carol)):
        lang=os.environ['L']
        with app.extensions['comptoir'].database.platform() as s:
            s.execute(text("UPDATE person SET language=:l WHERE id=:i"),{'l':lang,'i':person.id})
        starts,unknown=atlas.addresses(app,made)
        client=person.browser()
        w=atlas.walk(app,client,starts)
        pages=[*atlas.worth_a_look(w),*w.parts]
        if who=='owner': pages+=list(atlas.refusals(client,w))
        for p in pages:
            r=R(); r.feed(p.text)
            for k,v in r.out: res.setdefault(v,(who+' '+p.address,k))
        print(who,len(pages))
    json.dump(res,open(f'/tmp/tr/nodes-{lang}.json','w'),ensure_ascii=False,indent=0)
