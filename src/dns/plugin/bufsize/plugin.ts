import { definePlugin } from '../define.ts';
import { type BufsizeConfig, parseBufsize } from './config.ts';

/** `bufsize`: the most bytes a UDP answer may have. No step of the chain but a limit of its block. */
export const bufsize = definePlugin<BufsizeConfig>({
  name: 'bufsize',
  parse: parseBufsize,
  says: ({ sizeBytes }) => [`keeps UDP answers to ${Math.min(sizeBytes, 1232)} bytes`],
  create: () => ({ name: 'bufsize' }),
  udpBytesMax: ({ sizeBytes }) => sizeBytes,
});
