"""Rewrites Rust sources so that one build holds many mutants, each switched on by its number.

Text that is not mutated stays as it is. Each mutant is wrapped in `/*<N*/` and `/*>N*/`, by which a compiler error is
attributed to the mutant that causes it. Tests, constants, macros, patterns and implementations of Debug are not mutated.
"""
import dataclasses
import re

import tree_sitter
import tree_sitter_rust

SWAPS = {
    "==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
    "&&": ["||"], "||": ["&&"], "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"], "&": ["|"], "|": ["&"],
    "<<": [">>"], ">>": ["<<"], "+=": ["-="], "-=": ["+="], "*=": ["/="], "|=": ["&="], "&=": ["|="],
}
METHODS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "is_some": "is_none", "is_none": "is_some", "is_ok": "is_err",
    "is_err": "is_ok", "is_some_and": "is_none_or", "is_none_or": "is_some_and", "first": "last", "last": "first",
    "starts_with": "ends_with", "ends_with": "starts_with",
}
NUMBERS = {"u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"}
EMPTY = {"Vec", "HashMap", "BTreeMap", "HashSet", "BTreeSet", "VecDeque"}
SKIPPED = {
    "const_item", "static_item", "const_block", "macro_definition", "macro_invocation", "attribute_item", "token_tree", "type_arguments", "array_type", "enum_variant",
}
SWITCH = '''

/// Returns true if this mutant is switched on by the variable `MUTANT`; records it in the file `MUTANT_TRACE`.
#[doc(hidden)]
pub fn mutant(number: usize) -> bool {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    static ACTIVE: LazyLock<usize> =
        LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0));
    static TRACE: LazyLock<Option<(std::fs::File, Vec<AtomicBool>)>> = LazyLock::new(|| {
        let path = std::env::var_os("MUTANT_TRACE")?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path).ok()?;
        Some((file, (0..100_000).map(|_| AtomicBool::new(false)).collect()))
    });
    if let Some((file, reached)) = &*TRACE
        && !reached[number].swap(true, Ordering::Relaxed)
    {
        let _ = std::io::Write::write_all(&mut &*file, format!("{number}\\n").as_bytes());
    }
    *ACTIVE == number
}
'''


@dataclasses.dataclass
class Mutant:
    number: int
    file: str
    line: int
    function: str
    kind: str
    before: str
    after: str


def parse(source):
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language())).parse(source)


def text(node):
    return node.text.decode()


def values(kind):
    """Returns expressions to return in place of a body, for a return type."""
    if kind is None:
        return [""]
    name = text(kind)
    if name in ("()", "fmt::Result"):
        return ["()"] if name == "()" else ["Ok(())"]
    if name == "bool":
        return ["true", "false"]
    if name in NUMBERS:
        return ["0", "1"]
    if name in ("f64", "f32"):
        return ["0.0", "1.0"]
    if name == "String":
        return ["String::new()", '"xyzzy".to_owned()']
    if name in ("&str", "&'static str"):
        return ['""', '"xyzzy"']
    if name in ("Ordering", "std::cmp::Ordering"):
        return ["std::cmp::Ordering::Equal"]
    if kind.type != "generic_type":
        return []
    outer = text(kind.child_by_field_name("type")).split("::")[-1]
    inner = [child for child in kind.child_by_field_name("type_arguments").named_children if child.type != "lifetime"]
    if outer in EMPTY:
        return [f"{outer}::new()" if outer == "Vec" else "Default::default()"]
    if outer == "Option":
        return ["None"] + [f"Some({value})" for value in values(inner[0]) if not value.startswith("Some")]
    if outer == "Result":
        return [f"Ok({value})" for value in values(inner[0])]
    return []


class Rewriter:
    def __init__(self, file, source, switch, first, dropped):
        self.file, self.source, self.switch, self.next, self.dropped = file, source, switch, first, dropped
        self.mutants, self.function = [], []

    def add(self, node, kind, before, after):
        """Counts a mutant; returns its number, or None if it was dropped."""
        number, self.next = self.next, self.next + 1
        if number in self.dropped:
            return None
        short = [" ".join(part.split())[:160] for part in (before, after)]
        line = node.start_point[0] + 1
        self.mutants.append(Mutant(number, self.file, line, "::".join(self.function), kind, *short))
        return number

    def choose(self, node, plain, kind, alternatives):
        """Wraps an expression so that each alternative can be evaluated in its place."""
        for after in alternatives:
            number = self.add(node, kind, text(node), after)
            if number is not None:
                plain = f"/*<{number}*/(if {self.switch}({number}) {{ {after} }} else {{ {plain} }})/*>{number}*/"
        return plain

    def children(self, node):
        """Rewrites what is inside of a node."""
        out, at, skip = [], node.start_byte, False
        for child in node.children:
            out.append(self.source[at:child.start_byte].decode())
            out.append(text(child) if skip and child.type != "attribute_item" else self.rewrite(child, node))
            if child.type == "attribute_item":
                skip = skip or any(mark in text(child) for mark in ("cfg(test)", "[test]", "::test]", "::test("))
            elif child.is_named and not child.type.endswith("comment"):
                skip = False
            at = child.end_byte
        out.append(self.source[at:node.end_byte].decode())
        return "".join(out)

    def rewrite(self, node, parent):
        kind = node.type
        if kind == "macro_invocation" and self.function and text(node).startswith("matches!"):
            return self.choose(node, text(node), "negation", ["!" + text(node)])
        if kind in SKIPPED or kind.endswith("_pattern") and kind != "match_pattern":
            return text(node)
        if kind == "function_item":
            return self.function_item(node)
        if kind == "impl_item" and (trait := node.child_by_field_name("trait")) and text(trait).endswith("Debug"):
            return text(node)
        if kind in ("impl_item", "trait_item"):
            named = node.child_by_field_name("type") or node.child_by_field_name("name")
            self.function.append(text(named))
            out = self.children(node)
            self.function.pop()
            return out
        if not self.function or not node.is_named:
            return self.children(node)
        out = self.children(node)
        if kind in ("binary_expression", "compound_assignment_expr"):
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            operator = text(node.child_by_field_name("operator"))
            swapped = [f"{text(left)} {other} {text(right)}" for other in SWAPS.get(operator, [])]
            out = self.choose(node, out, f"operator {operator}", swapped)
        elif kind == "unary_expression" and text(node).startswith("!"):
            out = self.choose(node, out, "negation", [text(node)[1:]])
        elif kind == "call_expression":
            out = self.call(node, out)
        is_condition = kind not in ("let_condition", "let_chain", "binary_expression", "unary_expression", "boolean_literal")
        if node == parent.child_by_field_name("condition") and parent.type in ("if_expression", "match_pattern") and is_condition:
            out = self.choose(node, out, "condition", ["true", "false"])
        elif parent.type == "let_chain" and kind != "let_condition":
            out = self.choose(node, out, "condition", ["true", "false"])
        if kind == "expression_statement" and text(node).endswith(";"):
            out = self.statement(node, out)
        if kind == "match_arm":
            out = self.arm(node, parent, out)
        return out

    def call(self, node, out):
        method = node.child_by_field_name("function")
        if method.type != "field_expression":
            return out
        name, receiver = text(method.child_by_field_name("field")), text(method.child_by_field_name("value"))
        arguments = text(node.child_by_field_name("arguments"))
        if name == "is_empty":
            return self.choose(node, out, "method is_empty", [f"!{receiver}.is_empty()"])
        if name in METHODS:
            return self.choose(node, out, f"method {name}", [f"{receiver}.{METHODS[name]}{arguments}"])
        return out

    def statement(self, node, out):
        """Switches a statement off."""
        inner = node.named_children[0]
        if not text(inner).startswith(("ensure!", "anyhow::ensure!")) and inner.type not in (
            "call_expression", "assignment_expression", "compound_assignment_expr", "await_expression", "try_expression",
            "continue_expression", "break_expression", "return_expression",
        ):
            return out
        number = self.add(node, "statement deleted", text(node), "")
        return out if number is None else f"/*<{number}*/if !{self.switch}({number}) {{ {out} }}/*>{number}*/"

    def arm(self, node, parent, out):
        """Switches an arm off if a later one accepts everything."""
        arms = [child for child in parent.named_children if child.type == "match_arm"]
        pattern, last = node.child_by_field_name("pattern"), text(arms[-1].child_by_field_name("pattern"))
        catches_all = last == "_" or last.isidentifier() and last[0].islower()
        if node == arms[-1] or not catches_all or pattern.child_by_field_name("condition"):
            return out
        number = self.add(node, "arm deleted", text(node), "")
        if number is None:
            return out
        # Attributes of the arm come before its pattern.
        at = len(self.source[node.start_byte:pattern.end_byte].decode())
        return f"{out[:at]} /*<{number}*/if !{self.switch}({number})/*>{number}*/ {out[at:]}"

    def function_item(self, node):
        modifiers = [text(child) for child in node.children if child.type == "function_modifiers"]
        body = node.child_by_field_name("body")
        if any("const" in words for words in modifiers):
            return text(node)
        self.function.append(text(node.child_by_field_name("name")))
        early = ""
        for value in values(node.child_by_field_name("return_type")):
            if " ".join(text(body).split()) in ("{ " + value + " }", "{}"):
                continue
            number = self.add(node, "body", "", f"return {value}".strip())
            if number is not None:
                early += f"/*<{number}*/if {self.switch}({number}) {{ return {value}; }}/*>{number}*/"
        head = self.source[node.start_byte:body.start_byte].decode()
        inside = self.children(body)
        self.function.pop()
        return f"{head}{{{early}{inside[1:]}"


def rewrite(file, source, switch, first, dropped):
    """Returns the rewritten text, its mutants, and the first number of the next file."""
    rewriter = Rewriter(file, source, switch, first, dropped)
    root = parse(source).root_node
    out = source[:root.start_byte].decode() + rewriter.children(root)
    return out, rewriter.mutants, rewriter.next


def culprit(rewritten, at):
    """Returns the number of the innermost mutant around a byte of a rewritten file; None outside of all."""
    stack, start = [], 0
    while (start := rewritten.find(b"/*", start)) != -1 and start <= at:
        mark, end = rewritten[start + 2:start + 3], rewritten.find(b"*/", start)
        if mark == b"<":
            stack.append(int(rewritten[start + 3:end]))
        elif mark == b">" and end + 2 <= at:
            stack.pop()
        start += 2
    return stack[-1] if stack else None


def deleted_near(rewritten, start, end):
    """Returns the deleted statements and arms that start in a part of a rewritten file, and the next one after it."""
    found = list(re.finditer(rb"/\*<(\d+)\*/if !", rewritten))
    inside = [mark for mark in found if start <= mark.start() < end]
    after = [mark for mark in found if mark.start() >= end][:1]
    return {int(mark[1]) for mark in inside + after}
