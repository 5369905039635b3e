"""The text form of the Graph IR: one grammar, printed and parsed without loss.

    text    ::= ["sizes" (name "=" int),+] graph             sizes that are not known, each with an example
    graph   ::= "graph" "@"name "(" param,* ")" "->" "(" type,* ")" "{" node* update* "return" value,* "}"
    param   ::= "%"name ":" type [role [string]]             the string is the state's qualified name
    role    ::= "in" | "const" | "inout" | "frozen"                     "in" is printed where a label follows it
    node    ::= result,+ "=" opname "(" value,* ")" [attrs] [graph] loc*
    result  ::= "%"number ":" type                           numbers count up from 0 within each graph
    update  ::= "update" value "<-" value                    what an inout parameter holds at the end
    value   ::= "%"name | "%"number                          a parameter; a result
    attrs   ::= "{" (key "=" attr),* "}"
    attr    ::= int | float | "inf" | "-inf" | "nan" | "true" | "false" | "none"
              | string | dtype | "[" attr,* "]"              a float has a point or an exponent; [] is a tuple
              | size
    type    ::= dtype "[" size,* "]"
    size    ::= ["-"] product (("+" | "-") product)*
    product ::= factor ("*" factor)*
    factor  ::= int | name | "(" "(" size ")" ("//" | "%") factor ")" | "(" size ")"
    dtype   ::= "f64" | "f32" | "i64" | "i32" | "i16" | "i8" | "u8" | "bool" | "u32" | "u64"
    loc     ::= "@"string ":" line ":" column [string]       file and position; module path
    name    ::= [A-Za-z_][A-Za-z0-9_.]* | string             a name of another form is quoted
    string  ::= JSON's, in ASCII

`//` starts a comment, unless it stands directly behind a parenthesis: then it divides. A node's graph is its body: it
sees its own parameters and nothing else, and the node's results have the types of its outputs.
`parse_graph(print_graph(g)) == g`.
"""

from __future__ import annotations

from graphtorch.ir._parser import parse_graph
from graphtorch.ir._printer import attr_text, print_graph

__all__ = ["attr_text", "parse_graph", "print_graph"]
