/** The libraries podwire is compared with. */
export type Peer = 'ip-num' | 'ipaddr.js' | 'python';

/** What a library made of a text: the address as it prints it, or undefined for none. */
export type Reading = string | undefined;

/** A kind of text on which a library and podwire differ, and why that is right. */
export interface KnownDifference {
  readonly peer: Peer;
  readonly why: string;
  readonly applies: (text: string, ours: Reading, theirs: Reading) => boolean;
}

const isMapped = (text: Reading): boolean => text?.startsWith('::ffff:') === true;

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    peer: 'ip-num',
    why: 'it prints all eight groups in full, or as they were typed, and never the short form',
    applies: (_, ours, theirs) => ours?.includes(':') === true && theirs !== undefined,
  },
  {
    peer: 'ip-num',
    why: 'it does not know zones (RFC 4007)',
    applies: (text, ours, theirs) =>
      text.includes('%') && ours !== undefined && theirs === undefined,
  },
  {
    peer: 'ip-num',
    why: 'it does not look at what stands around or between the parts: white space, signs, nothing',
    applies: (text, ours, theirs) =>
      ours === undefined && theirs !== undefined && /[\s+\-e\0]|\.\.|\.$|::.*::|:::/.test(text),
  },
  {
    peer: 'ipaddr.js',
    why: 'it prints IPv4-mapped addresses in hexadecimal, against RFC 5952 section 5',
    applies: (_, ours, theirs) => isMapped(ours) && isMapped(theirs),
  },
  {
    peer: 'ipaddr.js',
    why: 'it takes the short, octal and hexadecimal forms of inet_aton',
    applies: (text, ours, theirs) =>
      ours === undefined && theirs !== undefined && /^[0-9a-fx.]+$/i.test(text),
  },
  {
    peer: 'ipaddr.js',
    why: 'its zones are letters, digits and few signs; interfaces have others in their names',
    applies: (text, ours, theirs) =>
      text.includes('%') && ours !== undefined && theirs === undefined,
  },
  {
    peer: 'ipaddr.js',
    why: 'it takes leading zeros in groups beyond four digits',
    applies: (text, ours, theirs) =>
      ours === undefined && theirs !== undefined && /[0-9a-f]{5}/i.test(text),
  },
  {
    peer: 'ipaddr.js',
    why: 'it takes octal in the dotted end of an IPv6 address',
    applies: (text, ours, theirs) =>
      ours === undefined && theirs !== undefined && /:.*(^|[.:])0\d*\./.test(text),
  },
  {
    peer: 'ipaddr.js',
    why: 'it reads IPv4-compatible addresses (RFC 4291 2.5.5.1) as IPv4-mapped ones',
    applies: (text, _, theirs) => /^::\d+\./.test(text) && isMapped(theirs),
  },
  {
    peer: 'python',
    why: 'until 3.13 it prints IPv4-mapped addresses in hexadecimal, against RFC 5952 section 5',
    applies: (_, ours, theirs) => isMapped(ours) && isMapped(theirs),
  },
  {
    peer: 'python',
    why: 'its zones may be anything but empty or with a "%", however long',
    applies: (text, ours, theirs) =>
      text.includes('%') && ours === undefined && theirs !== undefined,
  },
];
