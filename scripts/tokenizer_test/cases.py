"""What is compared: vocabularies of llama.cpp, and others made out of them."""

import functools

from . import made
from .vocabulary import Vocabulary

FILES = ["gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2"]
# Names of pre-tokenizers that cut the text in one way.
GPT_2_NAMES = """default gpt-2 phi-2 mpt olmo jais gigachat a.x-4.0 mellum exaone4 trillion granite-docling dbrx smaug-bpe chatglm-bpe
jais-2 qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan grok-2 solar-open laguna ufakzeka qwen35 deepseek-llm
deepseek-coder deepseek-v3 hunyuan-dense joyai-llm hy_v4 spark2_5 afmoe kimi-k2 falcon starcoder refact command-r smollm codeshell
exaone minerva-7b mellum2 gpt-4o llama4 kanana2 talkie minimax-m2 tiny_aya cohere2moe bloom poro-chat gpt3-finnish viking superbpe
bailingmoe bailingmoe2 llada-moe seed-coder exaone-moe chameleon""".split()
# Those that take a word as it is if it is a token, which shows in the larger vocabulary only.
WHOLE_NAMES = """llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 glm4 glm5 minicpm5 youtu tekken
granite-embed-multi-97m""".split()


def all_cases(folder):
    """The name of each case and what makes its vocabulary."""

    @functools.cache
    def real(name):
        return Vocabulary.read(folder / f"ggml-vocab-{name}.gguf")

    def named(name, pre):
        return lambda: real(name).with_keys(pre=pre)

    yield from ((f"file {name}", functools.partial(real, name)) for name in FILES)
    yield from ((f"gpt2/{pre}", named("gpt-2", pre)) for pre in GPT_2_NAMES)
    yield from ((f"gpt2/{pre}", named("llama-bpe", pre)) for pre in WHOLE_NAMES)
    kinds = made.kinds(real("llama-spm"), made.whole_charsmap())
    yield from ((name, lambda vocabulary=vocabulary: vocabulary) for name, vocabulary in kinds)
