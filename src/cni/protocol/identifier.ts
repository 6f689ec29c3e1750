/** What a network's name and CNI_CONTAINERID may look like (CNI specification, section 1). */
export const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
