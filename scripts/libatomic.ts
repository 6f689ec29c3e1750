import {
  DT_JMPREL,
  DT_NEEDED,
  DT_PLTRELSZ,
  DT_SYMTAB,
  DT_VERNEED,
  DT_VERNEEDNUM,
  DT_VERSYM,
  type Elf,
} from './elf.ts';

/*
 * Node's executable wants one function of libatomic.so.1, a library that comes with compilers and
 * that few nodes have. This puts the function into the executable and takes the library off the
 * list of what it needs.
 */

const LIBRARY = 'libatomic.so.1';
const FUNCTION = '__atomic_compare_exchange';
const SYM_BYTES = 24;
const RELA_BYTES = 24;

/** One machine's relocation types and its code of the function. */
interface Machine {
  readonly jumpSlot: number;
  readonly relative: number;
  readonly code: Uint8Array;
}

/*
 * bool __atomic_compare_exchange(size_t size, void *value, void *expected, void *desired, int, int)
 *
 * V8 calls it for words of 8 bytes alone; anything else stops the process. Both orders are taken as
 * the strongest.
 */
const MACHINES: ReadonlyMap<number, Machine> = new Map([
  [
    62, // EM_X86_64, linux/elf-em.h
    {
      jumpSlot: 7, // R_X86_64_JUMP_SLOT
      relative: 8, // R_X86_64_RELATIVE
      code: hex(
        '4883ff08', //          cmp rdi, 8
        '7514', //              jne wrong
        '488b02', //            mov rax, [rdx]
        '488b09', //            mov rcx, [rcx]
        'f0480fb10e', //        lock cmpxchg [rsi], rcx
        '7403', //              je done
        '488902', //            mov [rdx], rax
        '0f94c0', //     done:  sete al
        'c3', //                ret
        '0f0b', //       wrong: ud2
      ),
    },
  ],
  [
    183, // EM_AARCH64
    {
      jumpSlot: 1026, // R_AARCH64_JUMP_SLOT
      relative: 1027, // R_AARCH64_RELATIVE
      code: words(
        0xf100201f, //        cmp x0, #8
        0x540001c1, //        b.ne wrong
        0xf9400044, //        ldr x4, [x2]
        0xf9400065, //        ldr x5, [x3]
        0xc85ffc26, // again: ldaxr x6, [x1]
        0xeb0400df, //        cmp x6, x4
        0x540000a1, //        b.ne other
        0xc807fc25, //        stlxr w7, x5, [x1]
        0x35ffff87, //        cbnz w7, again
        0x52800020, //        mov w0, #1
        0xd65f03c0, //        ret
        0xd5033f5f, // other: clrex
        0xf9000046, //        str x6, [x2]
        0x52800000, //        mov w0, #0
        0xd65f03c0, //        ret
        0xd4200000, // wrong: brk #0
      ),
    },
  ],
]);

/**
 * Makes the executable independent of libatomic, in place; gives false when it is already. Throws
 * when it uses more of the library than this knows.
 */
export function dropLibatomic(elf: Elf): boolean {
  const needed = elf
    .dynamic()
    .find(({ tag, value }) => tag === DT_NEEDED && elf.string(value) === LIBRARY);
  if (needed === undefined) return false;
  const machine = MACHINES.get(elf.machine);
  if (machine === undefined) throw new Error(`machine ${elf.machine} is not known here`);
  const uses = relocationsOf(elf, removeVersions(elf));
  for (const { name, type } of uses) {
    if (name !== FUNCTION || type !== machine.jumpSlot) {
      throw new Error(`${LIBRARY} is needed for ${name}, relocation ${type}`);
    }
  }
  const address = elf.appendCode(machine.code);
  for (const { at } of uses) {
    // The loader then writes the address of our code where it would have looked the name up.
    elf.setU64(at + 8, machine.relative);
    elf.setU64(at + 16, address);
  }
  elf.removeEntry(needed);
  return true;
}

/** Takes the library's versions off the list of those needed, and gives their numbers. */
function removeVersions(elf: Elf): Set<number> {
  const list = elf.entry(DT_VERNEED);
  const count = elf.entry(DT_VERNEEDNUM);
  const versions = new Set<number>();
  let previous: number | undefined;
  for (let at = elf.offsetOf(list.value); ; ) {
    // Elfxx_Verneed: version, count, file, aux, next.
    const next = elf.u32(at + 12);
    if (elf.string(elf.u32(at + 4)) === LIBRARY) {
      let aux = at + elf.u32(at + 8);
      for (let left = elf.u16(at + 2); left > 0; left -= 1) {
        versions.add(elf.u16(aux + 6));
        aux += elf.u32(aux + 12);
      }
      if (previous === undefined) elf.setU64(list.at + 8, list.value + next);
      else elf.view.setUint32(previous + 12, next === 0 ? 0 : at + next - previous, true);
      elf.setU64(count.at + 8, count.value - 1);
      return versions;
    }
    if (next === 0) throw new Error(`${LIBRARY} has no versions`);
    previous = at;
    at += next;
  }
}

/** The relocations whose symbols have one of the versions. */
function relocationsOf(
  elf: Elf,
  versions: ReadonlySet<number>,
): { readonly at: number; readonly name: string; readonly type: number }[] {
  const symbols = elf.offsetOf(elf.entry(DT_SYMTAB).value);
  const symbolVersions = elf.offsetOf(elf.entry(DT_VERSYM).value);
  const start = elf.offsetOf(elf.entry(DT_JMPREL).value);
  const end = start + elf.entry(DT_PLTRELSZ).value;
  const found: { at: number; name: string; type: number }[] = [];
  for (let at = start; at < end; at += RELA_BYTES) {
    const symbol = elf.u32(at + 12);
    if (!versions.has(elf.u16(symbolVersions + symbol * 2))) continue;
    const name = elf.string(elf.u32(symbols + symbol * SYM_BYTES));
    found.push({ at, name, type: elf.u32(at + 8) });
  }
  return found;
}

function hex(...instructions: string[]): Uint8Array {
  return Uint8Array.fromHex(instructions.join(''));
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}
