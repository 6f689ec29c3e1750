/** An address as the reference has it. */
export interface SlowAddr {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly zone: string;
}

const OCTET = /^(0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;
/** What the name of an interface cannot have, by code: control characters and space, then `/:%`. */
const isOdd = (char: string): boolean => char <= ' ' || char === '\x7f' || '/:%'.includes(char);

/** Reads an address the way one would by hand: cut it up, count the parts, look at each. */
export function parseSlowly(text: string): SlowAddr | undefined {
  if (text.length > 64) return undefined;
  if (!text.includes(':')) {
    const value = parseV4(text);
    return value === undefined ? undefined : { family: 4, value, zone: '' };
  }
  const percent = text.indexOf('%');
  const address = percent < 0 ? text : text.slice(0, percent);
  const zone = percent < 0 ? '' : text.slice(percent + 1);
  if (percent >= 0 && (zone === '' || Array.from(zone).some(isOdd))) return undefined;
  const value = parseV6(address);
  return value === undefined ? undefined : { family: 6, value, zone };
}

function parseV4(text: string): bigint | undefined {
  const octets = text.split('.');
  if (octets.length !== 4) return undefined;
  if (!octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255)) return undefined;
  return octets.reduce((value, octet) => value * 256n + BigInt(octet), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [before = '', after] = halves;
  const left = parseGroups(before, after === undefined);
  const right = after === undefined ? [] : parseGroups(after, true);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  // "::" stands for one group at least.
  if (after === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array.from({ length: missing }, () => 0n), ...right];
  return groups.reduce((value, group) => value * 65_536n + group, 0n);
}

/** Groups with colons between; the last may be an IPv4 address where the text ends with it. */
function parseGroups(text: string, isEnd: boolean): bigint[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    if (isEnd && index === parts.length - 1 && part.includes('.')) {
      const value = parseV4(part);
      if (value === undefined) return undefined;
      groups.push(value / 65_536n, value % 65_536n);
    } else if (GROUP.test(part)) {
      groups.push(BigInt(`0x${part}`));
    } else {
      return undefined;
    }
  }
  return groups;
}
