use crate::common::{Lab, tree};

#[test]
fn a_closed_day_becomes_a_segment_and_its_files_go() {
    let lab = Lab::new();
    lab.seed(2, 4);
    let before = lab.list_all();
    assert_eq!(before.len(), 24);
    let told = lab.rotate();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), before);
}
