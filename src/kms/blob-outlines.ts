/*
 * How the ciphertexts of key services look that other programs store without a header of this library. Each service
 * has its own outline, in its own folder.
 */
export { isBareCiphertextBlob, MAX_BLOB_LENGTH } from './aws/blob-outline'
