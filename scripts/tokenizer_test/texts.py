"""Texts that tokenizers cut differently."""

import functools
import random
import sys
import unicodedata

WORDS = """the of and Hello world HTTPServer camelCase XMLHttpRequest don't I'm we'Ll YOU'RE 'S they've it'd 'tis o'clock
naïve café Straße Ærøskøbing Übergröße İstanbul ışık Việt Cửa łódź Ελλάδα ΣΊΣΥΦΟΣ русский Ёлка українська עברית שָׁלוֹם العربية
مُحَمَّد हिन्दी शब्द বাংলা தமிழ் ไทยภาษา ລາວ ខ្មែរ မြန်မာ ქართული ႠႡ ՀԱՅԵՐԵՆ አማርኛ ᏣᎳᎩ ᠮᠣᠩᠭᠣᠯ 日本語 テキスト カタカナ ひらがな ﾊﾝｶｸ 中文 标点 汉字 𠀀𠮷
繁體 한국어 가나다 ㄱㄴㄷ ㄅㄆㄇ Ⅷ ² ½ ① ٣٤٥ १२३ １２３ 𝟙𝟚 1 12 123 1234 12345 1234567 3.14 1,000,000 0x1F v2.0 1e-9 2026-11-29 100% $5 €7
def f(x): return x**2 #comment // /*c*/ <div class="a"> </div> {"k":[1,null]} => -> != === && || ~x ~~ ^_^ `code` \\n C:\\dir ./a/b
https://example.com/a_b-c?d=e&f#g user@example.org @name #tag ... --- !!! ?! “quoted” ‘single’ «g» — – … 、。！？（）【】：；，
🦙 👩‍👩‍👧 🇩🇪 👍🏽 ❤️ ☃ ✓ → ∑ ∂ ≠ ♥ ﷽ ﬁ ﬂ Å Ω ℡ e\u0301 n\u0303 a\u0308\u0323 o\u0302\u0301 ǅ ſ K ª º µ
\u200b \u200d \ufeff \u2060 \u00ad \u202e \u0000 \u0001 \u001b \u007f \u0085 \u0080 \ufffd \ufffe \ue000 \U000e0001 \U0010ffff ▁ ▁▁a <0x0A>
IMGIMGABZ <sentinel:12> 0 00 000 0000 00000 ( ) [ ] { } | . , ; : ! ? " ' - _ + = * / \\ < > & % @ # $ ^ ~ `""".split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "    ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\n ", "\n\n\n ", "\u00a0", "\u3000",
          "\u2009", "\u2028", "\u1680", "\u000b", "\u000c", "\u0085", "\r", " \t ", "        ", "\n\n\n\n\n", "", "", ""]
PARAGRAPHS = [
    "In 1815, M. Charles-François-Bienvenu Myriel was Bishop of D——. He was an old man of about seventy-five years of age.",
    "def quick_sort(items):\n    if len(items) <= 1:\n        return items\n\tpivot = items[0]  # first\r\n    return [x for x in items]\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n* item one\n* item two\n\n```c\nint main(void) { return 0; }\n```\n",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", "人人生而自由，在尊严和权利上一律平等。", "यह एक परीक्षण है। १२३४५", "นี่คือการทดสอบ ๑๒๓",
    "لقد ولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.", "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "She said: “It’s 5 o’clock—don’t be late!” He’d've gone; they'll see, I'M sure.", "SELECT * FROM t WHERE a>=10 AND b<>'x'; -- 100%\n",
]


@functools.cache
def assigned():
    categories = ((chr(code), unicodedata.category(chr(code))) for code in range(sys.maxunicode + 1))
    return [character for character, category in categories if category not in ("Cs", "Cn")]


def make(count, seed, special):
    """Texts of every sort, the same for the same seed. `special`: texts of special tokens."""
    pick = random.Random(seed)
    characters = assigned()

    def mixture():
        parts = []
        for _ in range(pick.randint(1, 14)):
            parts += [pick.choice(WORDS), pick.choice(SPACES)]
        return "".join(parts)

    def any_characters():
        return "".join(pick.choice(characters) + pick.choice(["", "", " ", "a", "1", "."]) for _ in range(pick.randint(1, 30)))

    def near():
        start = pick.randrange(len(characters))
        near = characters[start : start + 40]
        return "".join(pick.choice(near + [" ", " ", "'", "\n"]) for _ in range(pick.randint(1, 40)))

    def ascii_noise():
        return "".join(chr(pick.choice([pick.randrange(128), pick.randrange(32, 127)])) for _ in range(pick.randint(1, 40)))

    def white_space():
        return "".join(pick.choice(SPACES + ["a", "1", "'s"]) for _ in range(pick.randint(1, 20)))

    def digits():
        return "".join(pick.choice(["".join(pick.choices("0123456789", k=pick.randint(1, 14))), pick.choice(" ,.a_-٣½\n")]) for _ in range(8))

    def with_special():
        parts = []
        for _ in range(pick.randint(1, 6)):
            token = pick.choice(special)
            parts.append(pick.choice([token, token, token[:-1], token + pick.choice(SPACES), pick.choice(SPACES) + token, mixture()]))
        return "".join(parts)

    def long_word():
        return pick.choice(WORDS + ["a", "ab", " ", "\n", "="]) * pick.randint(10, 120)

    def paragraph():
        text = pick.choice(PARAGRAPHS)
        start = pick.randrange(len(text))
        return text[start:] + pick.choice(SPACES) + pick.choice(PARAGRAPHS)

    texts = ["", " ", "\n", "a", " a", "a ", "\u0000"]
    kinds = [mixture] * 6 + [any_characters, near, ascii_noise, white_space, digits, long_word] + [paragraph] * 2
    kinds += [with_special] * 2 if special else []
    while len(texts) < count:
        texts.append(pick.choice(kinds)())
    return texts


def every_character():
    """Every character of Unicode and every number that may become one, between letters, spaces and digits."""
    numbers = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(numbers), 32):
        yield "\n".join(f"a{c}b {c}{c}1{c}" for c in map(chr, numbers[start : start + 32]))
