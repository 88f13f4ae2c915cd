import { connect, taskOf } from './task'

/** What the tool is pointed at. */
export default connect(taskOf()).dataSource
