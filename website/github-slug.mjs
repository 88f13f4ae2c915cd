/** The anchor of a heading as GitHub makes it, so that links work in the repository and on the site alike. */
export function githubSlug(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}
