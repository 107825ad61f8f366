//! Kernels from snippets.

use ptx_interpreter::{Argument, Cause, Fault, Memory, Module, Options, Schedule};

/// The start of a module, and what a kernel of a snippet may use.
pub(crate) fn kernel(variables: &str, body: &str) -> String {
    format!(
        ".version 8.0\n.target sm_61\n.address_size 64\n{variables}
.visible .entry k(.param .u64 input, .param .u64 output)
{{
.reg .pred %p<16>; .reg .b16 %rs<16>; .reg .b32 %r<32>; .reg .f32 %f<16>; .reg .b64 %rd<32>; .reg .f64 %fd<16>;
.reg .b64 %in, %out; .reg .b32 %t;
ld.param.u64 %in, [input]; cvta.to.global.u64 %in, %in;
ld.param.u64 %out, [output]; cvta.to.global.u64 %out, %out;
mov.u32 %t, %tid.x;
{body}
ret;
}}\n"
    )
}

/// Runs a snippet with one block of threads over an input of words; the output has as many words as asked for.
pub(crate) fn run(
    text: &str,
    threads: u32,
    shared: u32,
    input: &[u32],
    output: usize,
    options: &Options,
) -> Result<Vec<u32>, Fault> {
    let (memory, address) = launch(text, threads, shared, input, output, options)?;
    Ok(words(&memory, address, output))
}

/// Runs a snippet; the memory and the address of the output, which may be written in part.
fn launch(
    text: &str,
    threads: u32,
    shared: u32,
    input: &[u32],
    output: usize,
    options: &Options,
) -> Result<(Memory, u64), Fault> {
    let module = Module::parse(text).unwrap();
    let mut memory = Memory::new();
    let bytes: Vec<u8> = input.iter().flat_map(|word| word.to_le_bytes()).collect();
    let input = memory.allocate(&bytes);
    let result = memory.reserve(output * 4);
    let arguments = [Argument::U64(input), Argument::U64(result)];
    let shape = ([1, 1, 1], [threads, 1, 1]);
    module.launch("k", shape, shared, &arguments, &mut memory, options)?;
    Ok((memory, result))
}

pub(crate) fn words(memory: &Memory, address: u64, count: usize) -> Vec<u32> {
    let bytes = memory.read(address, count * 4).unwrap();
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

/// The cause that a snippet fails with, and the text of its line.
pub(crate) fn cause(
    text: &str,
    threads: u32,
    shared: u32,
    options: &Options,
) -> Option<(Cause, String)> {
    let fault = launch(text, threads, shared, &[1; 64], 64, options).err()?;
    let line = fault.place.map_or("", |place| {
        text.lines().nth(place.line as usize - 1).unwrap()
    });
    Some((fault.cause, line.to_owned()))
}

pub(crate) fn all_schedules() -> Vec<Options> {
    let random = (0..4).map(Schedule::Random);
    [Schedule::LowestFirst, Schedule::HighestFirst]
        .into_iter()
        .chain(random)
        .flat_map(|schedule| {
            [false, true].map(|races| Options {
                schedule,
                races,
                ..Options::default()
            })
        })
        .collect()
}

/// Applies an opcode to rows of operands. Classes of registers are those of compilers: rs, r, rd, f, fd, p.
pub(crate) fn apply(opcode: &str, result: &str, operands: &[&str], rows: &[Vec<u64>]) -> Vec<u64> {
    let width = operands.len();
    let mut body = format!(
        "mul.wide.u32 %rd1, %t, {}; add.s64 %in, %in, %rd1; mul.wide.u32 %rd2, %t, 8; add.s64 %out, %out, %rd2;\n",
        width * 8
    );
    let mut names = Vec::new();
    for (index, class) in operands.iter().enumerate() {
        let (name, at) = (format!("%{class}{}", index + 5), index * 8);
        body += &match *class {
            "p" => format!("ld.global.u32 %r1, [%in+{at}]; setp.ne.u32 {name}, %r1, 0;\n"),
            _ => format!("ld.global.{} {name}, [%in+{at}];\n", kind(class)),
        };
        names.push(name);
    }
    body += &format!("{opcode} %{result}4, {};\n", names.join(", "));
    body += &match result {
        "p" => "selp.u32 %r2, 1, 0, %p4; cvt.u64.u32 %rd3, %r2; st.global.u64 [%out], %rd3;".into(),
        _ => format!(
            "mov.u64 %rd3, 0; st.global.u64 [%out], %rd3; st.global.{} [%out], %{result}4;",
            kind(result)
        ),
    };
    let module = Module::parse(&kernel("", &body)).unwrap();
    rows.chunks(1024)
        .flat_map(|rows| {
            let mut memory = Memory::new();
            let bytes = rows.iter().flatten().flat_map(|value| value.to_le_bytes());
            let input = memory.allocate(&bytes.collect::<Vec<u8>>());
            let output = memory.reserve(rows.len() * 8);
            let arguments = [Argument::U64(input), Argument::U64(output)];
            let shape = ([1, 1, 1], [rows.len() as u32, 1, 1]);
            let options = Options::default();
            module
                .launch("k", shape, 0, &arguments, &mut memory, &options)
                .unwrap();
            let bytes = memory.read(output, rows.len() * 8).unwrap().chunks_exact(8);
            bytes
                .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Compares an opcode with a function over all combinations of values.
pub(crate) fn agrees(
    opcode: &str,
    result: &str,
    operands: &[&str],
    values: &[u64],
    expected: impl Fn(&[u64]) -> u64,
) {
    let mut rows = vec![Vec::new()];
    for _ in operands {
        rows = rows
            .iter()
            .flat_map(|row| {
                values
                    .iter()
                    .map(|value| [row.as_slice(), &[*value]].concat())
            })
            .collect();
    }
    let found = apply(opcode, result, operands, &rows);
    for (row, found) in rows.iter().zip(found) {
        assert_eq!(found, expected(row), "{opcode} {row:x?}");
    }
}

fn kind(class: &str) -> &'static str {
    match class {
        "rs" => "b16",
        "r" => "b32",
        "f" => "f32",
        "rd" => "b64",
        "fd" => "f64",
        _ => panic!("{class}"),
    }
}

/// Words at the ends of their ranges, and some in between.
pub(crate) const WORDS: [u64; 14] = [
    0,
    1,
    2,
    5,
    31,
    32,
    33,
    0x7F,
    0x8000,
    0x1234_5678,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FF85,
    0xFFFF_FFFF,
];
