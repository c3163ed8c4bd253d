/* The built-in pack: the file itself, put into the program by the assembler. */
#include "classify/inside.h"

__asm__(".pushsection .rodata\n"
        ".globl rules_builtin_start\n"
        "rules_builtin_start:\n"
        ".incbin \"lua-free-rules/declared.rules\"\n"
        ".globl rules_builtin_end\n"
        "rules_builtin_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char rules_builtin_start[], rules_builtin_end[];

struct slice rules_builtin(void)
{
	return (struct slice){ rules_builtin_start, (size_t)(rules_builtin_end - rules_builtin_start) };
}
