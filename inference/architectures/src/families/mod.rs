//! The descriptions, one file for each family.

mod cohere;
mod deepseek;
mod falcon;
mod gemma;
mod glm;
mod gpt;
mod granite;
mod hybrid;
mod llama;
mod minicpm;
mod olmo;
mod others;
mod phi;
mod qwen;

use crate::Architecture;

/// Every architecture that is described, by family.
pub const ALL: &[&Architecture] = &[
    &llama::LLAMA,
    &llama::MISTRAL,
    &llama::MISTRAL3,
    &llama::LLAMA4,
    &llama::SMOLLM3,
    &llama::ARCEE,
    &llama::INTERNLM2,
    &llama::XVERSE,
    &qwen::QWEN2,
    &qwen::QWEN2MOE,
    &qwen::QWEN2VL,
    &qwen::QWEN3,
    &qwen::QWEN3MOE,
    &qwen::QWEN3VL,
    &qwen::QWEN3VLMOE,
    &hybrid::QWEN35,
    &hybrid::QWEN35MOE,
    &hybrid::QWEN3NEXT,
    &hybrid::LFM2,
    &hybrid::LFM2MOE,
    &hybrid::NEMOTRON_H,
    &hybrid::NEMOTRON_H_MOE,
    &gemma::GEMMA,
    &gemma::GEMMA2,
    &gemma::GEMMA3,
    &gemma::GEMMA4,
    &gpt::GPT_OSS,
    &gpt::GPT2,
    &gpt::GPTNEOX,
    &gpt::BLOOM,
    &gpt::MPT,
    &gpt::STARCODER,
    &gpt::STARCODER2,
    &phi::PHI2,
    &phi::PHI3,
    &phi::PHIMOE,
    &deepseek::DEEPSEEK,
    &deepseek::DEEPSEEK2,
    &deepseek::DOTS1,
    &deepseek::BAILINGMOE,
    &granite::GRANITE,
    &granite::GRANITEMOE,
    &granite::GRANITEHYBRID,
    &minicpm::MINICPM,
    &minicpm::MINICPM3,
    &glm::GLM4,
    &glm::GLM4MOE,
    &glm::CHATGLM,
    &olmo::OLMO,
    &olmo::OLMO2,
    &olmo::OLMOE,
    &cohere::COMMAND_R,
    &cohere::COHERE2,
    &falcon::FALCON,
    &falcon::STABLELM,
    &falcon::ORION,
    &falcon::NEMOTRON,
    &falcon::DBRX,
    &others::EXAONE,
    &others::EXAONE4,
    &others::ERNIE4_5,
    &others::ERNIE4_5_MOE,
    &others::HUNYUAN_DENSE,
    &others::HUNYUAN_MOE,
    &others::MINIMAX_M2,
    &others::SEED_OSS,
    &others::PANGU_EMBEDDED,
    &others::BITNET,
];
