"""Regular expressions and GBNF grammars with texts, for make_grammar_cases.py."""

REGEXES = [(pattern, extra) for pattern, *extra in [
    ("abc", "abc", "ab", "abcd"), ("a|b|cd", "cd", "ab"), ("(a|b)*", "abba", "abc"), ("a?b+c*", "b", "abbc", "ac"),
    ("[a-z]+", "abc", "aBc"), ("[^a-z]+", "ABC1", "ABc"), ("\\d{3}-\\d{4}", "555-1234"), ("\\w+@\\w+\\.com", "me@x.com"),
    ("[A-Fa-f0-9]{8}", "deadBEEF", "deadbeeg"), ("(foo|bar){2,3}", "foobar", "foo", "foobarfoobar"), (".*", "any thing", "a\nb"),
    (".+x", "x", "xx", "a\nx"), ("\\s*\\S+\\s*", " a ", "a b"), ("a{2}", "aa", "a", "aaa"), ("a{2,}", "aa", "aaaaaa", "a"),
    ("a{0,3}", "", "aaa", "aaaa"), ("a{0}", "", "a"), ("(ab)?", "", "ab", "a"), ("(?:x|y)z", "xz", "z"), ("(?P<n>x)y", "xy"),
    ("^start", "start", "restart"), ("end$", "end", "ends"), ("^whole$", "whole"), ("^a$|^b$", "a", "b", "ab"),
    ("\\(\\)\\[\\]\\{\\}", "()[]{}"), ("\\\\\\.\\*\\+\\?\\|\\^\\$", "\\.*+?|^$"), ("\\t\\n\\r\\f\\v", "\t\n\r\f\v"),
    ("\\x41\\u00e9", "Aé"), ("[\\x00-\\x1f]", "\x01", " "), ("[\\]\\\\\\-^]+", "]\\-^", "a"), ("[a\\-z]+", "a-z", "b"),
    ("[a-]+", "a-", "b"), ("[-a]+", "a-", "b"), ("[.]+", "...", "a"), ("[\\d\\s]+", "1 2", "a"), ("[^\\d]+", "abc", "a1"),
    ("[\\w.-]+", "a.b-c_1", "a b"), ("é+", "é", "éé", "e"), ("[à-ÿ]+", "é", "e"), ("[一-龥]{2}", "日本", "日"), ("😀+", "😀😀"),
    ("[😀-😎]", "😃", "😏"), (".", "日", "😀", "\n", "ab"), ("..", "日é", "日"), ("[^é]", "e", "日", "é"), ("(a*)*", "", "aaa", "b"),
    ("(a|aa)+", "aaaa", ""), ("(a*b*)*c", "abbac", "ab"), ("(|a)b", "b", "ab"), ("a|", "", "a"), ("((((x))))", "x"),
    ("x*?y+?", "xy", "y"), ("(a{1,2}){2}", "aa", "aaaa", "aaaaa"), ("{", "{"), ("a{", "a{"), ("x{a}", "x{a}"),
    ("}", "}"), ("a,b", "a,b"), ("(\\+|-)?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?", "+1.5e-3", "1.", "1e5"),
    ("(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)", "1.20.3", "01.2.3"), ("#[0-9a-fA-F]{6}", "#a0B1c2"),
    ("(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \\d{1,2} [A-Z][a-z]{2} \\d{4}", "Mon, 5 Jan 2026"), ("<(b|i)>[^<]*</(b|i)>", "<b>x</b>"),
    ("\"(?:[^\"\\\\]|\\\\.)*\"", "\"a\\\"b\"", "\"a"), ("(?:a|b|c|d|e){5}", "abcde", "abcd"), ("[^\\s\\S]|x", "x"),
]]

JSON_GRAMMAR = r'''
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
'''

GBNF = [
    ("json", JSON_GRAMMAR, ["{}", "{\"a\":1}", "{ \"a\": [1, 2.5, {\"b\": null}] }", "[1]", "{\"a\":}", "{\"a\":1,}", "{", "",
                            "{\"é\":\"\\u00e9\\n\"}\n", "{\"a\":tru}", "{}{}", "{\"a\": true }"]),
    ("literal", 'root ::= "hello"', ["hello", "hell", "hello!", "", "Hello"]),
    ("escapes", r'root ::= "a\n\t\\\"\x41\u00e9\U0001F600"', ["a\n\t\\\"Aé😀", "a", "an"]),
    ("classes", r'root ::= [a-c] [^a-c] [\]\\] "-"', ["ad]-", "bz\\-", "aa]-", "ad[-", "cé]-"]),
    ("repeats", 'root ::= "a"* "b"+ "c"? [d]{2} "e"{1,3} "f"{2,}', ["bddeff", "aabbcddeeefff", "ddeff", "bdeff", "bddeeeeff",
                                                                    "bddef", "bddeffffff", "abcddeff"]),
    ("groups", 'root ::= ("a" | "b" "c")+ ("x" | )', ["a", "bc", "abcax", "x", "b", "abx", ""]),
    ("comments", '# first\nroot ::= a # behind\n\n# between\na ::= ( # inside\n  "x" |\n  "y"\n)\n', ["x", "y", "xy", ""]),
    ("lines", 'root ::= "a" |\n  "b" |\n  "c"\n', ["a", "b", "c", "d", "ab"]),
    ("recursion", 'root ::= "(" root ")" root | ""', ["", "()", "(())", "()()", "(()())()", "(", ")", "())", "(()"]),
    ("palindromes", 'root ::= "a" root "a" | "b" root "b" | "a" | "b" | ""', ["", "a", "aa", "aba", "abba", "ab", "abab", "bbabb",
                                                                            "aabaa", "aabba"]),
    ("ambiguous", 'root ::= s\ns ::= "a" | s2\ns2 ::= "a" s "a" | "a" s | "a"\n', ["a", "aa", "aaa", "aaaa", "aaaaaaaaaaaa", "", "b"]),
    ("arithmetic", 'root ::= expr\nexpr ::= term (("+" | "-") term)*\nterm ::= factor (("*" | "/") factor)*\n'
                   'factor ::= [0-9]+ | "(" expr ")"\n', ["1", "1+2", "(1+2)*3", "((4))", "1+", "(1", "1)", "", "12*(3-4)/5", "1++2"]),
    ("list", 'root ::= item+\nitem ::= "- " [^\\r\\n]+ "\\n"\n', ["- a\n", "- a\n- b c\n", "- a", "a\n", "- \n", ""]),
    ("unicode", 'root ::= [ぁ-ゟァ-ヿ一-龥]+ [à-ÿ]? "。"', ["日本。", "カé。", "a。", "日", "。", "ひらがな。"]),
    ("dots", 'root ::= . "x" .', ["axb", "日xé", "x", "axbc", "\nx\n"]),
    ("nested_repeats", 'root ::= (("a"{2} | "b"){1,2} "c")*', ["", "aac", "bc", "aabc", "bbcaac", "ac", "aaaac", "bbbc"]),
    ("empty_parts", 'root ::= a b a "x"\na ::= ""\nb ::= a | "b"\n', ["x", "bx", "b", "", "bbx"]),
    ("keywords", 'root ::= "for" | "foreach" | "format" | "fo"', ["for", "fo", "foreach", "form", "format", "f", ""]),
    ("chess", r'''root ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move ::= (pawn | nonpawn | castle) [+#]?
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
''', ["1. e4 e5\n2. Nf3 Nc6\n", "1. e4 e5\n", "1. e4 e5\n2. O-O O-O-O\n", "1. e9 e5\n2. a1 a1\n", "1. e4 e5\n2. exd5+ Qxd5#\n"]),
]
