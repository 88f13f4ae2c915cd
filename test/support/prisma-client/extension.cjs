/** All that prisma-field-encryption loads of Prisma's client. */
exports.Prisma = { defineExtension: (extension) => extension }
