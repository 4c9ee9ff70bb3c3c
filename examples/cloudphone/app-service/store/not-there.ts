/** There is nothing under a key of the store. */
export class NotThere extends Error {}
