/*
 * Key services may name one key in several ways, as AWS does the replicas of a multi-Region key. Each service knows its
 * own, in its own folder.
 */
export { isMultiRegion as hasOtherReferences } from './aws/key-arn'
