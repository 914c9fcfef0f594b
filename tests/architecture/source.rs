//! Tokenizer for Rust source: words and punctuation with line numbers, without comments, literals and test code. It knows
//! attributes and brackets, but no further grammar.

/// A word, `::`, or one character of punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// Returns the tokens of a file, without code that only tests compile.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    without_tests(&lex(text))
}

/// Returns all tokens of a file, including test code.
pub fn lex(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    let mut line = 1;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = skipped(rest).unwrap_or_else(|| {
            let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) };
            if !first.is_whitespace() {
                tokens.push(Token { text: &rest[..length], line });
            }
            length
        });
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of the comment, literal or lifetime at the start of the text.
fn skipped(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    if let Some(length) = raw_string(text) {
        return Some(length);
    }
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    let after = text.strip_prefix('\'')?;
    let mut chars = after.chars();
    let is_char = match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    };
    Some(if is_char { quoted(text, '\'') } else { 1 + after.find(|c| !is_word(c)).unwrap_or(after.len()) })
}

/// Returns the length up to the closing quote of a literal with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let marks = after.find(|c| c != '#')?;
    let body = after[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let start = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match attribute(&tokens[at..]) {
            Some(attribute) if is_for_tests(attribute) => at += item(&tokens[at..]),
            _ => {
                kept.push(tokens[at]);
                at += 1;
            }
        }
    }
    kept
}

/// Returns the attribute at the start of the tokens.
fn attribute<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let open = match tokens {
        [hash, bracket, ..] if (hash.text, bracket.text) == ("#", "[") => 1,
        _ => return None,
    };
    Some(&tokens[..open + bracketed(&tokens[open..])])
}

fn is_for_tests(attribute: &[Token<'_>]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.text == word);
    has("test") && !has("not") && !has("cfg_attr")
}

/// Returns the number of tokens of an item, with its attributes.
fn item(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while let Some(attribute) = attribute(&tokens[at..]) {
        at += attribute.len();
    }
    while at < tokens.len() {
        match tokens[at].text {
            ";" => return at + 1,
            "{" => return at + bracketed(&tokens[at..]),
            "(" | "[" => at += bracketed(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// Returns the number of tokens from an opening bracket to its closing bracket.
pub fn bracketed(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// A struct with named fields.
#[derive(Debug, PartialEq)]
pub struct Struct<'a> {
    pub name: &'a str,
    pub line: usize,
    pub fields: usize,
}

/// Returns the structs with named fields that tokens declare.
pub fn structs<'a>(tokens: &[Token<'a>]) -> Vec<Struct<'a>> {
    let mut found = Vec::new();
    for (at, two) in tokens.windows(2).enumerate().filter(|(_, two)| two[0].text == "struct") {
        let head = tokens[at..].iter().take_while(|token| !["{", ";", "("].contains(&token.text)).count();
        let body = &tokens[at + head..];
        if body.first().is_some_and(|token| token.text == "{") {
            let Token { text: name, line } = two[1];
            found.push(Struct { name, line, fields: fields(&body[..bracketed(body)]) });
        }
    }
    found
}

/// Returns the number of `name: Type` directly inside these braces.
fn fields(body: &[Token<'_>]) -> usize {
    let (mut depth, mut fields) = (0, 0);
    for token in body {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            ":" if depth == 1 => fields += 1,
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        tokens(text).iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_literals_and_lifetimes_are_omitted() {
        assert_eq!(words("a // b\n/* c /* d */ e */ f"), "a f");
        assert_eq!(words(r##"x("\"crate::a", r#"b" c"#, b"d", 'e', '\'', b'f') y"##), "x ( , , b , , , b ) y");
        assert_eq!(words("fn f<'a>(x: &'a str) -> Foo<'_> {}"), "fn f < > ( x : & str ) - > Foo < > { }");
        assert_eq!(tokens("a\n\"b\nc\"\nd").iter().map(|token| token.line).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn test_code_is_omitted() {
        assert_eq!(words("#[cfg(test)] mod tests { fn f() { {} } } mod b;"), "mod b ;");
        assert_eq!(words("#[cfg(test)] #[path = \"x\"] mod tests; a"), "a");
        assert_eq!(words("#[cfg(any(test, feature = \"x\"))] pub mod t { } a"), "a");
        assert_eq!(words("#[cfg(not(test))] a"), "# [ cfg ( not ( test ) ) ] a");
    }

    #[test]
    fn fields_are_counted_but_not_what_is_in_their_types() {
        let text =
            "struct A<T: B> { #[x(y: z)] a: c::D<T>, pub b: Fn(e: f) } struct G(u8); struct H; struct I { j: [u8; 2] }";
        let found = structs(&lex(text)).into_iter().map(|found| (found.name, found.fields)).collect::<Vec<_>>();
        assert_eq!(found, [("A", 2), ("I", 1)]);
    }
}
