"""Languages that put no spaces between words: what the docs advise, on real sentences."""

import json
import unicodedata

import numpy as np
import pytest

import ann
from ann.dedup.explaining import explain
from ann.dedup.settings import Settings

# Three sentences a language: as they are, and lightly edited (a word changed, another put in).
SENTENCES = {
    "Chinese": [
        (
            "近年来，随着互联网技术的快速发展，越来越多的人开始通过网络购买日常生活用品，传统商店受到了很大的影响。",
            "近年来，随着互联网技术的迅速发展，越来越多的人开始通过网络购买日常生活用品，传统商店受到了很大影响。",
        ),
        (
            "这座古老的城市位于长江下游的南岸，四周群山环绕，每年春天都有成千上万的游客前来观赏樱花和古塔。",
            "这座古老的城市位于长江下游南岸，四周群山环绕，每年春天都有成千上万的游客前来观赏樱花、古塔。",
        ),
        (
            "科学家发现，经常散步的老人不但睡眠质量更好，而且记忆力下降的速度也比不运动的老人慢得多。",
            "科学家发现，经常散步的老人不但睡眠质量更好，而且记忆力下降的速度也比从不运动的老人慢得多。",
        ),
    ],
    "Japanese": [
        (
            "この図書館は百年以上の歴史を持ち、毎日多くの学生や研究者が静かな閲覧室で古い資料を調べています。",
            "この図書館は百年以上の歴史を持ち、毎日多くの学生や研究者が静かな閲覧室で古い資料を読んでいます。",
        ),
        (
            "台風の影響で新幹線の運転が昨夜から見合わせとなり、駅では数千人の乗客が朝まで再開を待っていた。",
            "台風の影響で新幹線の運転が昨夜から見合わせとなり、東京駅では数千人の乗客が朝まで再開を待っていた。",
        ),
        (
            "祖母が作ってくれた味噌汁の味は、大人になって遠い町で暮らすようになった今でも忘れることができない。",
            "祖母が作ってくれた味噌汁の味は、大人になり遠い町で暮らすようになった今でも忘れることができない。",
        ),
    ],
    "Thai": [
        (
            "ตลาดน้ำแห่งนี้เปิดทุกวันเสาร์และวันอาทิตย์ นักท่องเที่ยวสามารถนั่งเรือชมบ้านริมคลองและชิมอาหารพื้นเมืองได้",
            "ตลาดน้ำแห่งนี้เปิดทุกวันเสาร์และอาทิตย์ นักท่องเที่ยวสามารถนั่งเรือชมบ้านริมคลองและชิมอาหารพื้นเมืองได้",
        ),
        (
            "นักวิจัยพบว่าการนอนหลับให้เพียงพอช่วยให้สมองจดจำสิ่งที่เรียนรู้ในตอนกลางวันได้ดีขึ้นอย่างมาก",
            "นักวิจัยพบว่าการนอนหลับให้เพียงพอช่วยให้สมองจดจำสิ่งที่เรียนรู้ในตอนกลางวันได้ดีขึ้น",
        ),
        (
            "ฝนตกหนักตลอดทั้งคืนทำให้น้ำในแม่น้ำสูงขึ้นอย่างรวดเร็ว ชาวบ้านต้องช่วยกันขนของขึ้นที่สูงก่อนรุ่งเช้า",
            "ฝนตกหนักตลอดทั้งคืนทำให้น้ำในแม่น้ำสูงขึ้นอย่างรวดเร็ว ชาวบ้านจึงต้องช่วยกันขนของขึ้นที่สูงก่อนรุ่งเช้า",
        ),
    ],
}
EVERY = [pair for pairs in SENTENCES.values() for pair in pairs]


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_by_the_advice_of_the_docs(language):
    """`--unit char --ngram 3 --threshold 0.7` finds each edited sentence, and nothing else."""
    pairs = SENTENCES[language]
    texts = [text for pair in pairs for text in pair]
    result = ann.deduplicate(texts, unit="char", ngram=3, threshold=0.7)
    assert result.representative.tolist() == [0, 0, 2, 2, 4, 4]
    assert set(zip(*result.pairs[:2], strict=True)) == {(0, 1), (2, 3), (4, 5)}


@pytest.mark.parametrize("language", ["Chinese", "Japanese"])
def test_words_do_not_tell_such_sentences_apart(language):
    """A clause counts as one word, so that a sentence is one shingle, and any edit changes it."""
    for pair in SENTENCES[language]:
        by_word = explain(("a", "b"), pair, Settings())
        assert (by_word.shingles, by_word.common) == ((1, 1), 0)


def test_sentences_of_other_content_share_nearly_nothing():
    for ngram in (3, 5):
        settings = Settings(unit="char", ngram=ngram)
        for i, (a, _) in enumerate(EVERY):
            for b, _ in EVERY[:i]:
                assert explain(("a", "b"), (a, b), settings).jaccard < 0.1


@pytest.mark.parametrize("language", SENTENCES)
def test_paragraphs_by_the_default(language):
    """From a paragraph on the default of 5 characters and a similarity of 0.8 finds an edit."""
    pairs = SENTENCES[language]
    whole = "".join(a for a, _ in pairs)
    edited = "".join([pairs[0][1], *(a for a, _ in pairs[1:])])
    other = "".join(a for a, _ in reversed(SENTENCES["Thai" if language != "Thai" else "Chinese"]))
    result = ann.deduplicate([whole, other, edited], unit="char")
    assert result.representative.tolist() == [0, 1, 0]


def test_bytes_and_normal_forms(write, command):
    """The same sentence composed and decomposed are different characters: no normalising here."""
    a = SENTENCES["Japanese"][0][0] + "ガギグゲゴ"
    b = unicodedata.normalize("NFD", a)
    assert a != b
    told = explain(("a", "b"), (a, b), Settings(unit="char", ngram=3))
    assert told.jaccard < 1
    path = write("rows.jsonl", [json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in (a, a)])
    shown = command(path, "--unit", "char", "--ngram", "3", "--json")
    assert json.loads(shown.stdout)["removed"] == 1


def test_the_summary_says_when_words_are_the_wrong_unit(write, command):
    path = write("rows.jsonl", [json.dumps({"text": a}) + "\n" for a, _ in SENTENCES["Chinese"]])
    assert "--unit char" in command(path).stdout
    assert "--unit char" not in command(path, "--unit", "char").stdout


def test_similarities_quoted_in_the_docs():
    """Of edited sentences with 3, 5 and 8 characters: docs/dedup-parameters.md."""
    quoted = {3: (0.78, 0.95), 5: (0.66, 0.91), 8: (0.54, 0.91)}
    for ngram, (low, high) in quoted.items():
        settings = Settings(unit="char", ngram=ngram)
        found = np.array([explain(("a", "b"), pair, settings).jaccard for pair in EVERY])
        assert low <= found.min()
        assert found.max() <= high
