# A program for guests that have no tool for it: sends frames as they are, or shows all that arrive. Linux, amd64, no library.
#   as guest-frames.s -o f.o && ld -N -s --build-id=none -o f f.o && base64 f     gives the text in guest-frames.ts
# Without an argument: its input is records of 1024 bytes: index of the link (4 bytes), length of the frame (4 bytes), the frame.
# With one: writes every frame that any link receives, until it is ended.
        .intel_syntax noprefix
        .globl _start
_start: mov     r14, [rsp]              # how many arguments, itself the first
        mov     edi, 17                 # socket(AF_PACKET, SOCK_RAW, ETH_P_ALL)
        mov     esi, 3
        mov     edx, 0x0300
        mov     eax, 41
        syscall
        mov     r13, rax
        sub     rsp, 2080               # 2048 bytes of frame, then the address
        cmp     r14, 1
        jne     hear

send:   xor     edi, edi                # read(0, record, 1024)
        mov     rsi, rsp
        mov     edx, 1024
        xor     eax, eax
        syscall
        cmp     rax, 1024
        jne     leave
        mov     word ptr [rsp+2048], 17
        mov     word ptr [rsp+2050], 0x0300
        mov     eax, [rsp]
        mov     [rsp+2052], eax
        mov     dword ptr [rsp+2056], 0x06000000
        mov     rdi, r13                # sendto(socket, frame, length, 0, address, 20)
        lea     rsi, [rsp+8]
        mov     edx, [rsp+4]
        xor     r10d, r10d
        lea     r8, [rsp+2048]
        mov     r9d, 20
        mov     eax, 44
        syscall
        test    rax, rax
        jns     send
        mov     edi, 1
        jmp     exit

hear:   mov     rdi, r13                # read(socket, frame, 2048)
        mov     rsi, rsp
        mov     edx, 2048
        xor     eax, eax
        syscall
        mov     edx, eax                # write(1, frame, length)
        mov     edi, 1
        mov     rsi, rsp
        mov     eax, 1
        syscall
        jmp     hear

leave:  xor     edi, edi
exit:   mov     eax, 60
        syscall
