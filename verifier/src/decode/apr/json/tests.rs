use super::*;

fn read_all(text: &[u8], offset: u64) -> (Option<Document>, Vec<Finding>) {
    let mut findings = Findings::default();
    let document = read(text, offset, &mut findings);
    (document, findings.into_list())
}

fn document(text: &str) -> Document {
    let (document, findings) = read_all(text.as_bytes(), 64);
    assert!(findings.is_empty(), "{findings:?}");
    document.unwrap()
}

#[test]
fn whatever_the_loaders_reader_refuses_is_refused() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let texts = [
        r#"{"a":1e400}"#.to_owned(),
        r#"{"a":-1e400}"#.to_owned(),
        format!("{{\"a\":{}}}", "9".repeat(400)),
        nested(126),
        nested(127),
        nested(10_000),
        r#"{"a":"\ud800"}"#.to_owned(),
        "{\"a\":\"\u{1}\"}".to_owned(),
        "\u{feff}{}".to_owned(),
        r#"{"a":.5}"#.to_owned(),
        r#"{"a":NaN}"#.to_owned(),
        r#"{"a":1e+}"#.to_owned(),
    ];
    let mut refused = 0;
    for text in texts {
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let (ours, findings) = read_all(text.as_bytes(), 0);
        let start: String = text.chars().take(40).collect();
        if theirs.is_err() {
            assert!(ours.is_none(), "{start}");
            assert_eq!(findings[0].effect, Effect::Undecided, "{start}");
            refused += 1;
        }
    }
    assert_eq!(refused, 11);
    assert!(read_all(nested(126).as_bytes(), 0).0.is_some());
}

#[test]
fn minus_zero_is_not_a_whole_number() {
    let document = document(r#"{"a":-0,"b":0,"c":-1}"#);
    let [a, b, c] = ["a", "b", "c"].map(|key| document.get(key).unwrap());
    assert_eq!(document.integer(a), None);
    assert_eq!(document.u64(a), None);
    assert_eq!(document.u64(b), Some(0));
    assert_eq!(document.integer(c), Some(-1));
    assert_eq!(document.f32(a).map(f32::to_bits), Some(0x8000_0000));
}

#[test]
fn a_text_that_two_roundings_read_differently_has_no_value() {
    // Just above the middle of 1 and the next f32: the nearest f32 is the upper, the nearest f64 is the middle
    // itself, and the cast of that goes to the even, lower one.
    let text = "1.00000005960464477539062500001";
    assert_eq!(text.parse::<f32>().unwrap().to_bits(), 0x3f80_0001);
    assert_eq!(narrow(text.parse().unwrap()).to_bits(), 0x3f80_0000);
    let document = document(&format!("{{\"a\":{text},\"b\":1e-6,\"c\":1e39}}"));
    assert_eq!(document.f32(document.get("a").unwrap()), None);
    assert_eq!(document.f32(document.get("b").unwrap()), Some(1e-6));
    assert_eq!(document.f32(document.get("c").unwrap()), None);
}

#[test]
fn values_know_their_place() {
    let document = document(r#"{"a": [1, "x\u00e9\ud83d\ude00"], "b": 1e-06}"#);
    let Kind::Array(items) = &document.get("a").unwrap().kind else {
        panic!()
    };
    assert_eq!(document.u64(&items[0]), Some(1));
    assert_eq!(document.string(&items[1]).unwrap(), "xé😀");
    assert_eq!(document.span(&items[0]), Span::new(64 + 7, 1));
    assert_eq!(document.f32(document.get("b").unwrap()), Some(1e-6_f32));
}

#[test]
fn what_is_not_json_is_refused_at_its_offset() {
    for (text, at) in [
        ("", 0),
        ("{", 1),
        ("{\"a\":01}", 6),
        ("{\"a\":1,}", 7),
        ("[1]x", 3),
        ("{\"a\":\"\\ud800\"}", 7),
        ("{\"a\":\"\n\"}", 6),
        ("{\"a\":nul}", 8),
    ] {
        let (document, findings) = read_all(text.as_bytes(), 0);
        assert!(document.is_none(), "{text}");
        assert_eq!(findings[0].places[0].span.unwrap().offset, at, "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_without_recursing_on() {
    let (document, _) = read_all("[".repeat(100_000).as_bytes(), 0);
    assert!(document.is_none());
}

#[test]
fn the_same_key_in_two_spellings_is_a_duplicate() {
    let (_, findings) = read_all(br#"{"a":1,"\u0061":2}"#, 0);
    assert_eq!(findings[0].code, "apr.meta.duplicate");
}
