# Writes OUT: a C++ file that holds the text of IN as `extern const std::string_view SYMBOL`.
file(READ ${IN} text)
string(LENGTH "${text}" length)
set(literal "")
set(from 0)
# Compilers limit one literal to 64 KiB; adjacent pieces are joined by the compiler.
while(from LESS length)
  string(SUBSTRING "${text}" ${from} 8000 piece)
  string(APPEND literal "R\"~~~~(${piece})~~~~\"\n")
  math(EXPR from "${from} + 8000")
endwhile()
file(WRITE ${OUT} "#include <string_view>\nnamespace reverse {\nextern const std::string_view ${SYMBOL};\nconst std::string_view ${SYMBOL} =\n${literal};\n}\n")
