/** Registers of 4 bytes there are (NFT_REG32_COUNT). */
const WORDS = 16;
/** NFT_REG32_00. */
const NFT_REG32_00 = 8;

/** NFT_REG_VERDICT, where the rule's verdict is put. */
export const NFT_REG_VERDICT = 0;

/**
 * The register that begins at the 4-byte word with the number `word`, 0 to 15. A longer value takes
 * the words that follow, so keys of several fields are laid out side by side. Every fourth word has
 * a name of its own (NFT_REG_1 to NFT_REG_4), and the kernel lists it by that.
 */
export function register(word: number): number {
  if (!Number.isInteger(word) || word < 0 || word >= WORDS) {
    throw new RangeError(`register word ${word}, expected 0 to ${WORDS - 1}`);
  }
  return word % 4 === 0 ? 1 + word / 4 : NFT_REG32_00 + word;
}
