# A guest of 512 bytes that goes where a kernel goes: real mode, protected mode, paging, long mode, with a return from
# interrupt in each, cpuid, rdtsc and SSE. At the end it makes QEMU exit through isa-debug-exit with (0x2a << 1) | 1.
# Assembled by hand into probe-boot-sector.ts: as -o p.o probe-boot-sector.s; ld -Ttext 0x7c00 --oformat binary -o p.bin p.o
.code16
.org 0
start:
 cli
 xorw %ax,%ax
 movw %ax,%ds
 movw %ax,%es
 movw %ax,%ss
 movw $0x7c00,%sp
 lgdt gdtr
 movl %cr0,%eax
 orb $1,%al
 movl %eax,%cr0
 ljmp $0x08,$protected
.code32
protected:
 movw $0x10,%ax
 movw %ax,%ds
 movw %ax,%es
 movw %ax,%ss
 movl $0x7c00,%esp
 pushfl
 pushl $0x08
 pushl $after_iret
 iret
after_iret:
 movl $0x1000,%edi
 xorl %eax,%eax
 movl $0xc00,%ecx
 cld
 rep stosl
 movl $0x2003,0x1000
 movl $0x3003,0x2000
 movl $0x83,0x3000
 movl $0x620,%eax
 movl %eax,%cr4
 movl $0x1000,%eax
 movl %eax,%cr3
 movl $0xc0000080,%ecx
 rdmsr
 orl $0x100,%eax
 wrmsr
 movl %cr0,%eax
 andb $0xfb,%al
 orl $0x80000002,%eax
 movl %eax,%cr0
 ljmp $0x18,$long
.code64
long:
 xorl %eax,%eax
 cpuid
 rdtsc
 xorps %xmm0,%xmm0
 movups %xmm0,0x4000
 movl $0x7c00,%esp
 pushq $0x10
 pushq $0x7c00
 pushfq
 pushq $0x18
 pushq $finish
 iretq
finish:
 movb $0x2a,%al
 outb %al,$0xf4
1: hlt
 jmp 1b
.align 8
gdt:
 .quad 0
 .quad 0x00cf9b000000ffff
 .quad 0x00cf93000000ffff
 .quad 0x00af9b000000ffff
gdtr:
 .word gdtr-gdt-1
 .long gdt
.org 510
.word 0xaa55
