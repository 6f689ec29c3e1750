import { PodwireError } from '../errors.ts';
import { type Fd, openSocket } from './fd.ts';
import { IFREQ_UNION, interfaceRequest } from './interface-request.ts';
import { check, fixedMemory, libc, whileHeld } from './libc.ts';

/* linux/ethtool.h, linux/sockios.h */
const SIOCETHTOOL = 0x8946n;
const ETHTOOL_GSTRINGS = 0x1b;
const ETHTOOL_GSSET_INFO = 0x37;
const ETHTOOL_GFEATURES = 0x3a;
const ETHTOOL_SFEATURES = 0x3b;
const ETH_SS_FEATURES = 4;
const ETH_GSTRING_LEN = 32;
const AF_INET = 2;
const SOCK_DGRAM = 2;
/** Linux 6.18 has 64. A kernel that says more than this is not believed. */
const FEATURES_MAX = 1024;

/** Where the words of a feature's block of 32 are: struct ethtool_get_features_block. */
const GET_BLOCK_BYTES = 16;
const GET_AVAILABLE = 0;
const GET_ACTIVE = 8;
const GET_NEVER_CHANGED = 12;
/** struct ethtool_set_features_block. */
const SET_BLOCK_BYTES = 8;
const SET_VALID = 0;
const SET_REQUESTED = 4;

/** An offload or other feature of a link, as `ethtool -k` shows it. */
export interface Feature {
  readonly active: boolean;
  /** It cannot be switched: `[fixed]`. */
  readonly fixed: boolean;
}

/** This kernel knows no feature of the name. */
export class UnknownFeatureError extends PodwireError {
  constructor(link: string, feature: string) {
    super('ERR_ETHTOOL_FEATURE', `link ${link}: unknown feature "${feature}"`);
  }
}

/**
 * The features of a link by the kernel's names for them, such as `tx-checksum-ip-generic`, in the
 * namespace the thread is in. Throws SysError, ENODEV when there is no such link.
 */
export function readFeatures(link: string): Map<string, Feature> {
  using socket = openSocket(AF_INET, SOCK_DGRAM, 0, 'ethtool socket');
  const names = featureNames(socket, link);
  const blocks = getFeatures(socket, link, names.length);
  const features = new Map<string, Feature>();
  names.forEach((name, index) => {
    const at = 8 + (index >> 5) * GET_BLOCK_BYTES;
    const has = (word: number): boolean =>
      ((blocks.getUint32(at + word, true) >>> (index & 31)) & 1) === 1;
    const fixed = !has(GET_AVAILABLE) || has(GET_NEVER_CHANGED);
    if (name !== '') features.set(name, { active: has(GET_ACTIVE), fixed });
  });
  return features;
}

/**
 * Switches features of a link, as `ethtool -K` does: `{'tx-checksum-ip-generic': false}` makes the
 * kernel write checksums itself. Gives the names of those that did not come out as asked, for they
 * are fixed or depend on others. Throws UnknownFeatureError or SysError.
 */
export function setFeatures(link: string, wanted: Readonly<Record<string, boolean>>): string[] {
  using socket = openSocket(AF_INET, SOCK_DGRAM, 0, 'ethtool socket');
  const names = featureNames(socket, link);
  const blockCount = Math.ceil(names.length / 32);
  const command = fixedMemory(8 + blockCount * SET_BLOCK_BYTES);
  const view = new DataView(command.bytes.buffer);
  view.setUint32(0, ETHTOOL_SFEATURES, true);
  view.setUint32(4, blockCount, true);
  for (const [name, on] of Object.entries(wanted)) {
    const index = names.indexOf(name);
    if (index < 0 || name === '') throw new UnknownFeatureError(link, name);
    const at = 8 + (index >> 5) * SET_BLOCK_BYTES;
    const bit = 1 << (index & 31);
    view.setUint32(at + SET_VALID, view.getUint32(at + SET_VALID, true) | bit, true);
    if (on)
      view.setUint32(at + SET_REQUESTED, view.getUint32(at + SET_REQUESTED, true) | bit, true);
  }
  ethtool(socket, link, 'ETHTOOL_SFEATURES', command);
  const now = readFeatures(link);
  return Object.entries(wanted)
    .filter(([name, on]) => now.get(name)?.active !== on)
    .map(([name]) => name);
}

/** The names of all features this kernel knows, by their bit; a bit without a name is empty. */
function featureNames(socket: Fd, link: string): string[] {
  const info = fixedMemory(20);
  const infoView = new DataView(info.bytes.buffer);
  infoView.setUint32(0, ETHTOOL_GSSET_INFO, true);
  infoView.setBigUint64(8, 1n << BigInt(ETH_SS_FEATURES), true);
  ethtool(socket, link, 'ETHTOOL_GSSET_INFO', info);
  const count = infoView.getUint32(16, true);
  if (count > FEATURES_MAX) {
    throw new RangeError(`link ${link}: ${count} features, expected at most ${FEATURES_MAX}`);
  }
  const strings = fixedMemory(12 + count * ETH_GSTRING_LEN);
  const view = new DataView(strings.bytes.buffer);
  view.setUint32(0, ETHTOOL_GSTRINGS, true);
  view.setUint32(4, ETH_SS_FEATURES, true);
  view.setUint32(8, count, true);
  ethtool(socket, link, 'ETHTOOL_GSTRINGS', strings);
  const decoder = new TextDecoder();
  return Array.from({ length: count }, (_, index) => {
    const at = 12 + index * ETH_GSTRING_LEN;
    return decoder.decode(strings.bytes.subarray(at, at + ETH_GSTRING_LEN)).replace(/\0.*$/s, '');
  });
}

/** struct ethtool_gfeatures of a link. */
function getFeatures(socket: Fd, link: string, count: number): DataView {
  const blockCount = Math.ceil(count / 32);
  const command = fixedMemory(8 + blockCount * GET_BLOCK_BYTES);
  const view = new DataView(command.bytes.buffer);
  view.setUint32(0, ETHTOOL_GFEATURES, true);
  view.setUint32(4, blockCount, true);
  ethtool(socket, link, 'ETHTOOL_GFEATURES', command);
  return view;
}

/** One SIOCETHTOOL request; the kernel reads and writes `command`. */
function ethtool(
  socket: Fd,
  link: string,
  name: string,
  command: { readonly bytes: Uint8Array; readonly address: bigint },
): void {
  const request = interfaceRequest(link);
  request.view.setBigUint64(IFREQ_UNION, command.address, true);
  const result = whileHeld([command], () => libc.ioctl(socket.number, SIOCETHTOOL, request.bytes));
  check('ioctl', result, `${name}, ${link}`);
}
